"""The official counts of the three benchmarks, and departures from them whose cause is known."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    """Images and vehicles of one set. `vehicles` holds every number that published readings of it give."""

    images: int
    vehicles: tuple[int, ...]


@dataclass(frozen=True)
class Known:
    """A count of images met in the wild, and what it comes from."""

    images: int
    cause: str


@dataclass(frozen=True)
class Official:
    """What a whole release of a layout holds: sets by their `split` name, known departures, where to ask for it."""

    title: str
    sets: dict[str, Count]
    known: dict[str, tuple[Known, ...]]
    ask: str
    folder: str


_NO_VIEWPOINT = "images without a viewpoint row are left out, as in lists made for TransReID, CLIP-ReID and MBR"

VERI776 = Official(
    title="VeRi-776",
    sets={
        # The release's text says 576 training vehicles, public loaders derive 575.
        "train": Count(37_778, (575, 576)),
        "query": Count(1_678, (200,)),
        "gallery": Count(11_579, (200,)),
    },
    known={
        "train": (Known(37_715, _NO_VIEWPOINT),),
        "query": (Known(1_677, _NO_VIEWPOINT),),
        "gallery": (Known(11_578, _NO_VIEWPOINT),),
    },
    ask="its authors, by the form or address in the README of the repository JDAI-CV/VeRidataset",
    folder="the folder with image_train/, image_query/, image_test/ and name_train.txt (usually called VeRi)",
)

VEHICLEID = Official(
    title="VehicleID",
    sets={
        "train": Count(113_346, (13_164,)),
        "S.pool": Count(6_493, (800,)),
        "M.pool": Count(13_377, (1_600,)),
        "L.pool": Count(19_777, (2_400,)),
    },
    known={"train": (Known(110_178, "the training list of the release before its cleaning"),)},
    ask="its authors at Peking University (PKU VehicleID), with the agreement of the release",
    folder="the folder with image/, attribute/ and train_test_split/ (usually called VehicleID_V1.0)",
)

VERIWILD = Official(
    title="VERI-WILD",
    sets={
        "train": Count(277_797, (30_671,)),
        "S.query": Count(3_000, (3_000,)),
        "S.gallery": Count(38_861, (3_000,)),
        "M.query": Count(5_000, (5_000,)),
        "M.gallery": Count(64_389, (5_000,)),
        "L.query": Count(10_000, (10_000,)),
        "L.gallery": Count(128_517, (10_000,)),
    },
    known={},
    ask="its authors, by the way described in the README of the repository PKU-IMRE/VERI-Wild",
    folder="the folder with images/ and train_test_split/ (usually called VERI-Wild)",
)

# "VERI-Wild 2.0 shares the same training set" (its author, issue 11 of the repository); counts of its tests were not
# found.
VERIWILD2 = Official(
    title="VERI-Wild 2.0",
    sets={"train": VERIWILD.sets["train"]},
    known={},
    ask=VERIWILD.ask,
    folder="the folder with test_split/ and the images of its lists, and VERI-WILD's images/ and train_test_split/",
)

VRIC = Official(
    title="VRIC",
    sets={
        "train": Count(54_808, (2_811,)),
        "query": Count(2_811, (2_811,)),
        "gallery": Count(2_811, (2_811,)),
    },
    known={},
    ask="its authors at Queen Mary University of London, https://qmul-vric.github.io",
    folder="the folder with vric_train.txt, train_images/, probe_images/ and gallery_images/",
)

# Their test sets are ours (held_out.py): no official counts of sets.
CITYFLOW = Official(
    title="CityFlowV2-ReID",
    sets={},
    known={},
    ask="the AI City Challenge, https://www.aicitychallenge.org (2021, track 2)",
    folder="the folder with image_train/ and train_label.xml (usually called AIC21_Track2_ReID)",
)
VEHICLEX = Official(
    title="VehicleX",
    sets={},
    known={},
    ask="the AI City Challenge (2020 or 2021, track 2), or the repository yorkeyao/VehicleX",
    folder="the folder with sys_image_train/ or image_train/ (usually called AIC21_Track2_ReID_Simulation)",
)

OFFICIAL: dict[str, Official] = {
    "veri776": VERI776,
    "vehicleid": VEHICLEID,
    "veriwild": VERIWILD,
    "veriwild2": VERIWILD2,
    "vric": VRIC,
    "cityflow": CITYFLOW,
    "vehiclex": VEHICLEX,
}
