"""Names of attribute numbers: the small files that VeRi-776 and VehicleID bring along."""

from __future__ import annotations

import re
from pathlib import Path

from svrn.data.benchmarks.findings import ATTRIBUTES_BROKEN, FILE_ABSENT, LABEL_TWICE, Findings
from svrn.data.benchmarks.textlists import read_lines


def attribute_names(source: Path, findings: Findings) -> dict[int, str]:
    """Names by number from `NUMBER NAME` or `NAME NUMBER` lines, in UTF-8 or a Chinese encoding.

    A file that is not there is noted, and the numbers stand for themselves.
    """
    if not source.exists():
        findings.add(FILE_ABSENT, source, "numbers stand in the place of its names")
        return {}
    names: dict[int, str] = {}
    for number, line in read_lines(source, findings, kind=ATTRIBUTES_BROKEN, chinese=True):
        match = re.fullmatch(r"([0-9]{1,9})[\s,:]+(\S.*)|(.*\S)[\s,:]+([0-9]{1,9})", line)
        if match is None:
            findings.add(ATTRIBUTES_BROKEN, f"{source}:{number}", f"{line[:60]!r} is not NUMBER NAME")
            continue
        place, index, name = f"{source}:{number}", int(match[1] or match[4]), match[2] or match[3]
        if index in names:
            findings.add(ATTRIBUTES_BROKEN, place, f"number {index} is named twice: {names[index]!r} and {name!r}")
            continue
        if name in names.values():
            findings.add(LABEL_TWICE, place, f"{name!r} is the name of two numbers, they are taken as one")
        names[index] = name
    return names
