"""Names of test sets whose lists carry their number of vehicles (test_list_800.txt, test_3000_query.txt)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SCALED = ("S", "M", "L")


def name_test_sets(sizes: Iterable[int], official: Mapping[int, str]) -> dict[int, str]:
    """The name of each test set by the number in its file name.

    Official numbers have official names, other numbers beside them are named by the number itself. Where no
    number is official (a scaled or own benchmark), the sets are S, M, L by increasing size, further ones numbers.

    >>> name_test_sets([2400, 800, 6000], {800: "S", 1600: "M", 2400: "L"})
    {800: 'S', 2400: 'L', 6000: '6000'}
    >>> name_test_sets([12, 6], {800: "S"})
    {6: 'S', 12: 'M'}
    """
    ordered = sorted(sizes)
    if any(size in official for size in ordered):
        return {size: official.get(size, str(size)) for size in ordered}
    return {size: SCALED[i] if i < len(SCALED) else str(size) for i, size in enumerate(ordered)}
