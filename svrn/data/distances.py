"""Distances that an embeddings file can name in its metadata (`svrn.distance`): how two of its vectors are compared.

A file that names none holds plain vectors, which are compared by their cosine or their Euclidean distance.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from svrn.errors import UserError

Root = Literal["sqrt", "plain", "none"]
KEY = "distance"
KIND = "visible-parts"


@dataclass(frozen=True)
class VisibleParts:
    """PVEN's visibility-weighted distance (Meng et al., Parsing-based View-aware Embedding Network, CVPR 2020).

    A vector holds, after one another, a global feature of `whole` numbers, one feature a part of `parts[k]` numbers,
    and a count a part: how much of it is seen, above 0. With the global feature g and the parts' l_k at unit length,

        D = |g - g'|^2 + weight L,   w_k = v_k v'_k / sum_j v_j v'_j,   d_k = |l_k - l'_k|,
        L = (sum_k w_k sqrt(d_k))^2 (root "sqrt", as the released code has it),
            sum_k w_k d_k ("plain") or sum_k w_k d_k^2 ("none").
    """

    whole: int
    parts: tuple[int, ...]
    weight: float
    root: Root

    @property
    def dimension(self) -> int:
        """Numbers of a vector, the counts among them."""
        return self.whole + sum(self.parts) + len(self.parts)

    def text(self) -> str:
        """What an embeddings file says of it: canonical JSON."""
        content = {
            "kind": KIND,
            "global": self.whole,
            "parts": list(self.parts),
            "lambda": self.weight,
            "root": self.root,
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"))


def parse_distance(text: str, dimension: int, *, where: str) -> VisibleParts:
    """The distance that an embeddings file of vectors of so many numbers names.

    Raises:
        UserError: it is unknown, not whole, or for vectors of another length.
    """
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    kind = content.get("kind") if isinstance(content, dict) else text
    if kind != KIND:
        raise _wrong(f"the file names the distance {kind!r}, which is unknown", where)
    found = _visible_parts(content, where)
    if found.dimension != dimension:
        raise _wrong(
            f"the distance is of vectors of {found.dimension} numbers ({found.whole} + {sum(found.parts)} +"
            f" {len(found.parts)} counts), these have {dimension}",
            where,
        )
    return found


def _visible_parts(content: dict[str, Any], where: str) -> VisibleParts:
    keys = {"kind", "global", "parts", "lambda", "root"}
    if set(content) != keys:
        odd = sorted(set(content) ^ keys)[0]
        raise _wrong(f"the distance {KIND!r} {'has no' if odd in keys else 'knows no'} {odd!r}", where)
    whole, parts, weight, root = (content[key] for key in ("global", "parts", "lambda", "root"))
    lengths = [whole, *parts] if isinstance(parts, list) and parts else [None]
    if not all(type(length) is int and length > 0 for length in lengths):
        raise _wrong(f"the lengths {whole!r} and {parts!r} are not whole numbers above 0", where)
    if type(weight) not in (int, float) or not 0 <= weight < 1e6:
        raise _wrong(f"lambda is {weight!r}, wanted a number from 0 to a million", where)
    if root not in get_args(Root):
        raise _wrong(f"root is {root!r}, wanted one of {', '.join(get_args(Root))}", where)
    return VisibleParts(whole, tuple(parts), float(weight), cast(Root, root))


def _wrong(what: str, where: str) -> UserError:
    example = VisibleParts(512, (512, 512, 512, 512), 0.5, "sqrt").text()
    return UserError(what, where=where, mend=f"write svrn.distance as in {example}, or none for plain vectors")
