"""One function over many indices, by threads where the work of each is worth it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

SPAN = 32
WORTH = 16_384

Result = TypeVar("Result")


def each(function: Callable[[int], Result], count: int, pool: ThreadPoolExecutor, numbers: int) -> list[Result]:
    """`function(i)` for i below `count`, in order.

    numbers: array elements that one call goes through. Below WORTH of them the interpreter's lock makes threads slower
    than one; above, numpy works outside it, and a task takes a span of calls because a task costs as much as a call.
    """
    if numbers < WORTH:
        return [function(index) for index in range(count)]

    def span(start: int) -> list[Result]:
        return [function(index) for index in range(start, min(start + SPAN, count))]

    return [result for part in pool.map(span, range(0, count, SPAN)) for result in part]
