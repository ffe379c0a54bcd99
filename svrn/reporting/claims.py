"""What the paper's text says in numbers, typed: each with its section and the table cells it must follow from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Rows of table 1: all rivals' rows whose group is among `groups`."""

    groups: tuple[str, ...]


RIVALS = Group(("Part-based", "Attribute-based", "Attention-based", "Others"))
PARTS_AND_ATTRIBUTES = Group(("Part-based", "Attribute-based"))
ATTENTION = Group(("Attention-based",))


@dataclass(frozen=True)
class Gain:
    """A gain that the text states: row `above` less row `below` (or less the best of a group), in points.

    columns: the table's columns that it can be about; the text's words name one benchmark and not its test set where
    there are several. calls: the metric that the text names. at_most: whether the text calls it the most there is.
    """

    section: str
    stated: float
    calls: str
    table: str
    above: str
    below: str | Group
    columns: tuple[str, ...]
    at_most: bool = False


_VEHICLEID = ("vehicleid.S.CMC@1", "vehicleid.M.CMC@1", "vehicleid.L.CMC@1")
_VERIWILD = ("veriwild.S.mAP", "veriwild.M.mAP", "veriwild.L.mAP")

GAINS = (
    Gain("abstract; IV-C, 1", 3.5, "mAP", "table1", "SVRN", RIVALS, ("veri776.mAP",), True),
    Gain("IV-C, 1", 0.4, "CMC@1", "table1", "SVRN", RIVALS, _VEHICLEID, True),
    Gain("IV-C, 1", 2.1, "mAP", "table1", "SVRN", RIVALS, _VERIWILD, True),
    Gain("IV-C, 2", 4.2, "mAP", "table1", "SVRN", PARTS_AND_ATTRIBUTES, ("veri776.mAP",), True),
    Gain("IV-C, 2", 2.8, "mAP", "table1", "SVRN", PARTS_AND_ATTRIBUTES, _VEHICLEID, True),
    Gain("IV-C, 2", 3.0, "mAP", "table1", "SVRN", PARTS_AND_ATTRIBUTES, _VERIWILD, True),
    Gain("IV-C, 3", 4.9, "mAP", "table1", "SVRN", ATTENTION, ("veri776.mAP",), True),
    Gain("IV-C, 3", 7.6, "mAP", "table1", "SVRN", ATTENTION, _VEHICLEID, True),
    Gain("IV-C, 3", 2.1, "mAP", "table1", "SVRN", ATTENTION, _VERIWILD, True),
    Gain("IV-D, components", 2.3, "mAP", "table2", "Scheme a", "Baseline", ("veri776.mAP",)),
    Gain("IV-D, components", 1.5, "mAP", "table2", "Scheme b", "Scheme a", ("veri776.mAP",)),
    Gain("IV-D, stages", 1.4, "mAP", "table3", "SVRN+3 stages", "SVRN+2 stages", ("veri776.mAP",)),
    Gain("IV-D, stages", 3.1, "mAP", "table3", "SVRN+3 stages", "SVRN+2 stages", ("vehicleid.S.CMC@1",)),
    Gain("IV-D, stages", 1.2, "mAP", "table3", "SVRN+3 stages", "SVRN+2 stages", ("veriwild.S.mAP",)),
    Gain("IV-D, suppression", 0.8, "mAP", "table4", "Scheme e", "Scheme b", ("veri776.mAP",)),
    Gain("IV-D, constraint", 0.8, "mAP", "table5", "SVRN+VCC", "SVRN w/o CSC", ("veri776.mAP",)),
    Gain("IV-D, constraint", 0.5, "mAP", "table5", "SVRN+DCC", "SVRN w/o CSC", ("veri776.mAP",)),
    Gain("IV-D, constraint", -0.9, "mAP", "table5", "SVRN+ICC", "SVRN w/o CSC", ("veri776.mAP",)),
    Gain("IV-D, constraint", 1.5, "mAP", "table5", "SVRN+CSC", "SVRN w/o CSC", ("veri776.mAP",)),
)


@dataclass(frozen=True)
class Quoted:
    """A rival's row of table 1 (VERI-WILD S, M, L), and the numbers that its own source gives with junk removed."""

    row: str
    corrected: tuple[float, float, float]
    source: str


QUOTED = (
    Quoted("PVEN", (79.80, 73.91, 66.20), "the authors' readme, which says that the paper's numbers kept junk"),
    Quoted(
        "SEVER",
        (80.9, 75.3, 67.7),
        "the benchmark's readme (as SAVER); its cause is inferred from the gap",
    ),
)


@dataclass(frozen=True)
class Count:
    """A count that the text quotes (section IV-A), and that of the release."""

    what: str
    stated: int
    released: int


COUNTS = (
    Count("VehicleID, vehicles", 26_267, 26_328),
    Count("VehicleID, images", 221_763, 221_567),
    Count("VERI-WILD, vehicles", 40_671, 40_671),
    Count("VERI-WILD, images", 416_314, 416_314),
)

#: The CMC@1 that table 4's copy at hand leaves without a row, and the two rows it may belong to.
LOST = 96.9
LOST_ROWS = ("Scheme d", "Scheme e")

#: Section III-A: the critic's cell is written as a tensor of this batch, channels and side; X_t of this side.
CRITIC_BATCH = 32
GRID = 8
MAP_SIDE = 16
INPUT_SIDE = 256


@dataclass(frozen=True)
class Loose:
    """A place where two passages of the paper do not agree and no arithmetic is needed, in our words."""

    places: str
    what: str


LOOSE = (
    Loose("III-A, III-B and equation 11", "the three stages' features are numbered 0 to 2, then 1 to 3, then 0 to 2"),
    Loose("equation 10 and its text", "the negative of ICC is any other feature, then a feature of another image"),
    Loose("Algorithm 1 and III-A", "a chosen cell is not to be chosen again; nothing in the algorithm prevents it"),
    Loose("Fig. 5, caption and IV-E", "the caption ends with panel e, the text goes on to a panel f"),
    Loose("table 1 and [13]", "the method called SEVER is called SAVER by its authors"),
    Loose("IV-A and references", "VeRi-776 is cited as [2] and VehicleID as [40]; [2] is VehicleID's paper"),
    Loose("table 3", "the VehicleID and VERI-WILD columns name no test set; their values match the S sets of table 1"),
    Loose("IV-B", "neither the batch size nor the number of epochs is given"),
)
