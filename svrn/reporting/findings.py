"""What the rivals' own sources say of table 1, typed: each finding with its evidence and how sure it is.

`certain`: read at the source that is named. `likely`: what was read leaves one reading. `unconfirmed`: a doubt with its
reason; the source that would settle it was not read. No finding claims more than its evidence: where an original paper
could not be read, what is named is the page, readme or code that was. Commits are those that were read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from svrn.reporting import claims

Certainty = Literal["certain", "likely", "unconfirmed"]
CERTAINTIES: tuple[Certainty, ...] = ("certain", "likely", "unconfirmed")

_VERI = ("veri776.mAP", "veri776.CMC@1")
_VEHICLEID = ("vehicleid.S.CMC@1", "vehicleid.M.CMC@1", "vehicleid.L.CMC@1")
_VERIWILD = ("veriwild.S.mAP", "veriwild.M.mAP", "veriwild.L.mAP")

_LEADERBOARD = "JDAI-CV/VeRidataset 09ccfce, README.md"
_WILD = "PKU-IMRE/VERI-Wild 93783aa, README.md"
_PGAN = "zhangxinyu-xyz/PGAN-VehicleRe-ID 6089b5f"
_TRANSREID = "damo-cv/TransReID dec5504"
_PVEN = "silverbulletmdc/PVEN 0b2e1a8"
_GLAMOR = "asuprem/GLAMOR 971c131"
_GEOMETRIC = "ming1993li/Self-supervised-Geometric 7b1e850"
_FASTREID = "JDAI-CV/fast-reid c9bc3ce"
_CAL = "raoyongming/CAL 0ba9d50"
_AAVER = "AAVER's paper, arXiv 1905.03397v3"
_EVER = "EVER's paper, by SAVER's authors (AI City workshop 2020)"
_QUOTED = {one.row: one for one in claims.QUOTED}


@dataclass(frozen=True)
class Finding:
    """One thing that a source says of a row of table 1, in our words.

    columns, found: the cells that it is of and what stands in their place: a number, or None where the printed one has
    none behind it. Without columns it changes no number. follows: what it means for comparisons, beside the leads that
    are worked out from `found`.
    """

    row: str
    what: str
    evidence: str
    certainty: Certainty
    follows: str
    columns: tuple[str, ...] = ()
    found: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        if len(self.columns) != len(self.found):
            raise ValueError(f"{self.row}: {len(self.columns)} columns and {len(self.found)} numbers")


FINDINGS = (
    Finding(
        "PGAN",
        "The repository's VehicleID number is of the large test set, and its loader takes that set where none is named;"
        " table 1 prints nearly the same number under the small one.",
        f"{_PGAN}: README.md line 103 (large, Top-1 77.7), config/defaults.py line 92",
        "likely",
        "The S cell has no number of that repository behind it; the L column gains a rival.",
        ("vehicleid.S.CMC@1", "vehicleid.L.CMC@1"),
        (None, 77.7),
    ),
    Finding(
        "PGAN",
        "The authors' repository reports more than table 1 on VERI-WILD's small set, and the two other sets too, junk"
        " removed. Where 74.1 comes from was not found; the readme calls its code a re-implementation.",
        f"{_PGAN}: README.md lines 105 to 107",
        "certain",
        "By these numbers PGAN is the best rival on VERI-WILD's small set, above SVRN's own baseline there, and the"
        " best on all three once SEVER's are taken with junk removed.",
        _VERIWILD,
        (83.6, 78.3, 70.6),
    ),
    Finding(
        "GLAMOR",
        "The paper's abstract names three data sets, and VehicleID is none of them. The public code reads VehicleID, by"
        " default its list of 2,400 vehicles; no VehicleID result was found.",
        f"arXiv 2002.02256, abstract; {_GLAMOR}: crawlers/VehicleIDDataCrawler.py line 13",
        "likely",
        "No source for the cell was found.",
        ("vehicleid.S.CMC@1",),
        (None,),
    ),
    Finding(
        "GLAMOR",
        "It stands among the part-based rows and has no parts: its two gates learn where to look from identities"
        " alone.",
        f"{_GLAMOR}; the method as it is built here follows that code",
        "certain",
        "The lead over part- and attribute-based rivals on VeRi-776 is taken from a row that is neither.",
    ),
    Finding(
        "VAMI",
        "The mAP is that of the variant re-ranked by space and time; by looks alone it is 50.13, CMC@1 77.03. The"
        " printed CMC@1 of 89.5 is neither variant's (85.92 re-ranked).",
        f"{_LEADERBOARD} line 47 (61.32/85.92); the comparison table of {_AAVER} (50.13/77.03); the authors' curve"
        " files, csyizhou/Vehicle-Re-ID afcbe3b",
        "certain",
        "The row cannot stand beside rows without re-ranking.",
        _VERI,
        (50.13, 77.03),
    ),
    Finding(
        "TransReID",
        "The benchmark's leaderboard lists the method above the printed numbers; so does the authors' code for its"
        " variant TransReID* (82.1/97.4, with DeiT 82.4/97.1).",
        f"{_LEADERBOARD} line 75; {_TRANSREID}: README.md lines 145 and 147",
        "certain",
        "It is the best rival on VeRi-776.",
        _VERI,
        (82.0, 97.1),
    ),
    Finding(
        "TransReID",
        "The printed VehicleID number is below the plain transformer that the authors' readme holds their method"
        " against (83.5); TransReID* has 85.2 there, with DeiT 86.0.",
        f"{_TRANSREID}: README.md lines 144, 145 and 147",
        "certain",
        "The method is quoted below the baseline of its own code.",
        ("vehicleid.S.CMC@1",),
        (85.2,),
    ),
    Finding(
        "PVEN",
        "The authors say that their paper's VERI-WILD numbers were made with junk kept, and give them with junk"
        " removed.",
        f"{_PVEN}: README.md lines 5 to 10",
        "certain",
        "The benchmark removes junk; the SVRN paper does not say which rule its own rows follow.",
        _VERIWILD,
        _QUOTED["PVEN"].corrected,
    ),
    Finding(
        "SEVER",
        "The benchmark's readme lists lower VERI-WILD numbers than table 1. That junk was kept is inferred: the gaps"
        " are like PVEN's.",
        f"{_WILD} line 104 (as SAVER)",
        "likely",
        "The same as for PVEN.",
        _VERIWILD,
        _QUOTED["SEVER"].corrected,
    ),
    Finding(
        "SEVER",
        "On VehicleID the printed row, 79.9/77.6/75.3, is level with a plain baseline of the same authors in the same"
        " year (80.0/77.3/75.2, ResNet-152).",
        _EVER,
        "certain",
        "What the residual is worth there is not shown by these two numbers. The method's name is SAVER.",
    ),
    Finding(
        "GSTE",
        "The row's VeRi-776 number is in the range of its year; its VehicleID numbers are 10 to 12 points above the"
        " best of that year that AAVER's paper lists (75.2/72.3/67.7). No source for the three was found, and the paper"
        " was not read. A mAP may stand here: on VehicleID it lies points above CMC@1 (91.4 and 86.7 of MBR's"
        " baseline).",
        f"worked out from table 1 and the comparison table of {_AAVER}; the readme of MBR's code,"
        " videturfortuna/vehicle_reid_itsc2023 ff6e27d",
        "unconfirmed",
        "The paper's leads on VehicleID rest on this row. No error is asserted.",
        _VEHICLEID,
        (None, None, None),
    ),
    Finding(
        "GSTE",
        "The leaderboard has 59.47 (table 1: 59.4) and a CMC@1 of 96.24 where table 1 has none; no other entry near 60"
        " mAP has a CMC@1 above 91.",
        f"{_LEADERBOARD} line 44",
        "certain",
        "The CMC@1 may be under another rule; why is not known.",
        ("veri776.mAP",),
        (59.47,),
    ),
    Finding(
        "AAVER",
        "The printed numbers are the paper's own, of a ResNet-101 pretrained on other vehicle images. With ResNet-50 it"
        " has 58.52/88.68, and 72.47/66.85/60.23 on VehicleID.",
        _AAVER,
        "certain",
        "Another network than the ResNet-50 of SVRN's rows; the cells found are those of the same one.",
        (*_VERI, *_VEHICLEID),
        (58.52, 88.68, 72.47, 66.85, 60.23),
    ),
    Finding(
        "AAVER",
        "VERI-WILD's readme lists the method with ResNet-50 where table 1 has no numbers; by whom it was run there was"
        " not found.",
        f"{_WILD} line 80",
        "certain",
        "None for the leads.",
        _VERIWILD,
        (62.23, 53.66, 41.68),
    ),
    Finding(
        "PRN",
        "The printed numbers are those of the leaderboard; whether they were re-ranked is open, and the paper was not"
        " read.",
        f"{_LEADERBOARD} line 61",
        "unconfirmed",
        "If so, the row cannot stand beside the others.",
    ),
    Finding(
        "DJDL",
        "Whether the VehicleID numbers are CMC@1 is open: the paper was not read, and nothing else of it was found.",
        "no source found",
        "unconfirmed",
        "None for the leads.",
    ),
    Finding(
        "AGNet-ASL",
        "The abstract calls the loss ALS. Its CMC@1 on VeRi-776 is high beside its mAP (SAN: 93.3 at 72.5), as of"
        " another protocol; the paper was not read.",
        "arXiv 2001.03872, abstract; worked out from table 1",
        "unconfirmed",
        "None for the leads.",
    ),
    Finding(
        "GB+GFB+SLB",
        "The VeRi-776 numbers are those of the leaderboard. The public code scores one draw of VehicleID, with ten"
        " draws in a comment, and prints image-to-image and image-to-track numbers for VeRi-776; which the paper's are"
        " was not found.",
        f"{_LEADERBOARD} line 76; {_GEOMETRIC}: train.py lines 149 and 150",
        "certain",
        "A single draw of the gallery has a spread that the number does not show.",
    ),
    Finding(
        "CAL",
        "The public code has persons alone. There the embedding is the network's output summed over the image and its"
        " mirror image; how the vehicle numbers were made was not found.",
        f"{_CAL}: reid/engine/inference.py lines 24 to 27",
        "certain",
        "None for the leads.",
    ),
)


@dataclass(frozen=True)
class Practice:
    """Something that makes printed numbers incomparable, and where public code does it."""

    what: str
    where: str


PRACTICES = (
    Practice("Junk kept on VERI-WILD", f"{_PVEN}: examples/parsing_reid/configs/veriwild_b256_224_pven.yml line 19"),
    Practice("One draw of VehicleID's gallery, unseeded", f"{_FASTREID}: fastreid/data/datasets/vehicleid.py line 70"),
    Practice("One draw of VehicleID's gallery, ten in a comment", f"{_GEOMETRIC}: train.py lines 149 and 150"),
    Practice("Ten draws of VehicleID's gallery without a seed", f"{_TRANSREID}: test.py line 49"),
    Practice("Hand-made viewpoint labels of test images", f"{_TRANSREID}: datasets/veri.py line 42, keypoint_test.txt"),
    Practice("Mirror images at test", f"{_CAL}: reid/engine/inference.py lines 25 to 27"),
    Practice("Re-ranked numbers beside others", "table 1 of the SVRN paper, row VAMI (the finding above)"),
    Practice("A ResNet-101 beside ResNet-50s", "table 1 of the SVRN paper, row AAVER (the finding above)"),
)

#: What a plain network with current training reports where table 1 has its best rows: not in table 1 at all.
REFERENCE = (
    "fast-reid's BoT with ResNet-50-IBN, no vehicle method in it, reports 87.7/83.5/77.3 mAP on VERI-WILD"
    f" ({_FASTREID}: MODEL_ZOO.md line 233 and on), above SVRN's 85.5/81.5/76.3; which junk rule SVRN's follow is not"
    " said, and the IBN network is not the plain one."
)
