"""What is found while a benchmark folder is read: kinds of findings, and the collection that gathers them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from svrn.errors import printable

EXAMPLES_KEPT = 20
_LONGEST = 500


class Severity(StrEnum):
    """How much a finding matters: `note` is harmless, a `deviation` is not, `unusable` ends the reading."""

    NOTE = "note"
    DEVIATION = "deviation"
    UNUSABLE = "unusable"


@dataclass(frozen=True)
class Kind:
    """A kind of finding. `blocks`: a manifest made in spite of it could be wrong, so none is made."""

    code: str
    severity: Severity
    blocks: bool
    headline: str
    mend: str


def _deviation(code: str, headline: str, mend: str, *, blocks: bool) -> Kind:
    return Kind(code, Severity.DEVIATION, blocks, headline, mend)


def _note(code: str, headline: str, mend: str = "nothing to do") -> Kind:
    return Kind(code, Severity.NOTE, False, headline, mend)


UNUSABLE = Kind(
    "unusable", Severity.UNUSABLE, True, "it cannot be read as this benchmark", "mend what is named, then verify again"
)
LIST_LINE = _deviation(
    "list-line",
    "list lines that do not parse",
    "correct them, or take the list from where it comes from again",
    blocks=True,
)
LISTED_TWICE = _deviation(
    "listed-twice", "images listed more than once in one list", "keep one line of each", blocks=True
)
LINES_LOST = _deviation(
    "lines-lost",
    "lines of the lists that are neither kept nor left out for a reason",
    "a fault of ours: report it",
    blocks=True,
)
LABEL_CONFLICT = _deviation(
    "label-conflict",
    "images whose labels disagree between two places",
    "correct one of the two; in a release's folder, take all lists and labels from one release",
    blocks=True,
)
CAMERA_ABSENT = _deviation(
    "camera-absent",
    "images whose camera is not known",
    "the protocol needs cameras: complete vehicle_info.txt or take the lists that carry cameras",
    blocks=True,
)
ATTRIBUTES_BROKEN = _deviation(
    "attributes-broken",
    "attribute files that do not parse",
    "correct the file, or take it from where it comes from again",
    blocks=True,
)
MISSING_IMAGE = _deviation(
    "missing-image",
    "images listed but not on disk",
    "put them there or take them off the list; from an archive: unpack every part again (a lost part is whole folders)",
    blocks=True,
)
UNREADABLE_IMAGE = _deviation(
    "unreadable-image",
    "images that cannot be read",
    "put a whole JPEG or PNG there that may be read, or take them off the list",
    blocks=True,
)
TRUNCATED_IMAGE = _deviation(
    "truncated-image", "images cut off before their end", "copy, fetch or unpack them again", blocks=True
)
IDENTITY_ACROSS_SPLIT = _deviation(
    "identity-across-split",
    "vehicles both in training and in a test set",
    "a test vehicle must not be trained on: check the lists",
    blocks=True,
)
TEST_SET_ABSENT = _deviation(
    "test-set-absent", "test sets that the benchmark declares and the lists do not have", "", blocks=True
)
TEST_SET_UNDECLARED = _note(
    "test-set-undeclared", "test sets in the lists that the benchmark does not declare, so not scored"
)
PROTOCOL_MISFIT = _deviation(
    "protocol-misfit",
    "protocols that the benchmark declares and its test sets cannot be scored under",
    "mend the columns named, or declare another protocol in the benchmark's YAML (tests.NAME.protocols)",
    blocks=True,
)
ONE_VEHICLE = _deviation(
    "one-vehicle",
    "test sets whose gallery shows one vehicle alone: no search can go wrong",
    "give each test image its own vehicle; a set whose vehicles are not told (a competition's) has no score",
    blocks=True,
)
TRUTH_MISMATCH = _deviation(
    "truth-mismatch",
    "images on which the lists and ground_truth.parquet disagree",
    "render the benchmark again",
    blocks=True,
)
COUNTS = _deviation(
    "counts",
    "counts that are not the official ones",
    "complete the folder, or say `--counts any` (`counts: any` in the benchmark's YAML) if it is another release",
    blocks=True,
)
LINK_FROM_ARCHIVE = _deviation(
    "link-from-archive",
    "links in an unpacked archive that lead out of its folder",
    "no archive is unpacked with links: remove them, or remove the folder to have it unpacked again",
    blocks=True,
)
LINK_OUTSIDE = _note("link-outside", "files that are links out of the benchmark's folder")
EXTRA_IMAGE = _deviation(
    "extra-image",
    "images on disk that no list names",
    "they are not used; remove them or complete the lists",
    blocks=False,
)
DUPLICATE_IMAGE = _deviation(
    "duplicate-image",
    "images with the same bytes under two names",
    "keep one of each, or see which of the two names is wrong",
    blocks=False,
)
QUERY_WITHOUT_MATCH = _deviation(
    "query-without-match",
    "queries with no right answer in the gallery",
    "they cannot be scored and are counted apart in every evaluation",
    blocks=False,
)
QUERY_IN_GALLERY = _deviation(
    "query-in-gallery",
    "queries that the gallery list names too",
    "they are taken as queries only: a query must not find itself",
    blocks=False,
)
QUERY_COPIED = _deviation(
    "query-copied",
    "queries whose very bytes stand in the gallery under another name",
    "to find its own copy is no merit of a model: leave one of the two out",
    blocks=False,
)
QUERY_COPY = _deviation(
    "query-copy",
    "queries whose two copies are not the same file",
    "the one in image_test/ is taken; see which of the two is right",
    blocks=False,
)
GROUND_TRUTH_INDEX = _deviation(
    "index-file",
    "queries whose index line is not what the labels give (same vehicle, same camera: junk)",
    "the index or the name list is from another release; evaluation uses the labels",
    blocks=False,
)
TRACK_LINE = _deviation(
    "track-line",
    "track lines that do not fit the test list",
    "correct the track list, or take it from where it comes from again",
    blocks=True,
)
LABEL_UNKNOWN = _deviation(
    "label-unknown",
    "labels of images or vehicles that no list names",
    "they are not used; lists and labels may come from different releases",
    blocks=False,
)
LABEL_TWICE = _deviation("label-twice", "labels that stand twice", "they say the same: keep one", blocks=False)
LABEL_VARIES = _deviation(
    "label-varies",
    "vehicles whose images differ in colour, type or model",
    "a method that learns attributes sees both: correct the labels",
    blocks=False,
)
ATTRIBUTE_UNLISTED = _deviation(
    "attribute-unlisted",
    "numbers of colours, types or models that their list of names lacks",
    "the attribute of these images is taken as unknown",
    blocks=False,
)
_TAKE_AGAIN = "take the files from one release, or remove what does not belong to these images"
SIDE_BROKEN = _deviation("side-broken", "side information that does not parse", _TAKE_AGAIN, blocks=False)
SIDE_IMAGE = _deviation("side-image", "side information of images that are not there", _TAKE_AGAIN, blocks=False)
SIDE_TWICE = _deviation("side-twice", "images with two different labels", "keep the right one", blocks=False)
SIDE_SIZE = _deviation("side-size", "masks or lists of another size than their images", _TAKE_AGAIN, blocks=False)
SIDE_NAME = _deviation("side-name", "names that side information does not have", "use the known names", blocks=False)
SIDE_VALUE = _deviation("side-value", "values that cannot be", "correct or remove them", blocks=False)
LABEL_MISSING = _note("label-missing", "labels that are not known", "a method that needs them says so before it trains")
ATTRIBUTES_ABSENT = _note("attributes-absent", "images without attributes in the release (labels from the name)")
FILE_ABSENT = _note("file-absent", "optional files that are not there")
EXPLAINED = _note("explained", "differences with a known cause")

KINDS: tuple[Kind, ...] = (
    UNUSABLE,
    LIST_LINE,
    LISTED_TWICE,
    LINES_LOST,
    LABEL_CONFLICT,
    CAMERA_ABSENT,
    ATTRIBUTES_BROKEN,
    MISSING_IMAGE,
    UNREADABLE_IMAGE,
    TRUNCATED_IMAGE,
    IDENTITY_ACROSS_SPLIT,
    TEST_SET_ABSENT,
    PROTOCOL_MISFIT,
    ONE_VEHICLE,
    TRUTH_MISMATCH,
    COUNTS,
    LINK_FROM_ARCHIVE,
    EXTRA_IMAGE,
    DUPLICATE_IMAGE,
    QUERY_WITHOUT_MATCH,
    QUERY_IN_GALLERY,
    QUERY_COPIED,
    QUERY_COPY,
    GROUND_TRUTH_INDEX,
    TRACK_LINE,
    LABEL_UNKNOWN,
    LABEL_TWICE,
    LABEL_VARIES,
    ATTRIBUTE_UNLISTED,
    SIDE_BROKEN,
    SIDE_IMAGE,
    SIDE_TWICE,
    SIDE_SIZE,
    SIDE_NAME,
    SIDE_VALUE,
    LABEL_MISSING,
    ATTRIBUTES_ABSENT,
    TEST_SET_UNDECLARED,
    LINK_OUTSIDE,
    FILE_ABSENT,
    EXPLAINED,
)


@dataclass(frozen=True)
class Example:
    """One case of a finding: the place (file, or file:line) and what is wrong there."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{printable(self.where)}: {printable(self.what)}"


@dataclass
class Finding:
    """All cases of one kind: how many, and the first of them."""

    kind: Kind
    count: int = 0
    examples: list[Example] = field(default_factory=list)


class Findings:
    """Gathers findings by kind, keeping the first `EXAMPLES_KEPT` cases of each."""

    def __init__(self) -> None:
        self._by_code: dict[str, Finding] = {}

    def add(self, kind: Kind, where: object, what: str) -> None:
        finding = self._by_code.setdefault(kind.code, Finding(kind))
        finding.count += 1
        if len(finding.examples) < EXAMPLES_KEPT:
            finding.examples.append(Example(str(where), what if len(what) <= _LONGEST else f"{what[:_LONGEST]}..."))

    def all(self) -> list[Finding]:
        """The findings, the gravest kinds first, in the order of `KINDS`."""
        return [self._by_code[kind.code] for kind in KINDS if kind.code in self._by_code]

    def of(self, kind: Kind) -> Finding | None:
        return self._by_code.get(kind.code)

    def blocking(self) -> list[Finding]:
        """The findings that forbid a manifest."""
        return [finding for finding in self.all() if finding.kind.blocks]

    @property
    def severity(self) -> Severity | None:
        """The gravest severity found; None where nothing was found."""
        found = {finding.kind.severity for finding in self._by_code.values()}
        for severity in (Severity.UNUSABLE, Severity.DEVIATION, Severity.NOTE):
            if severity in found:
                return severity
        return None
