"""The distance that an embeddings file names: read back as it was written, and refused where it cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from svrn.data.distances import VisibleParts, parse_distance
from svrn.data.embeddings import Embeddings, read_embeddings, write_embeddings
from svrn.errors import UserError

PARTS = VisibleParts(4, (2, 3), 0.5, "sqrt")


def test_a_file_keeps_its_distance(tmp_path: Path) -> None:
    vectors = np.ones((2, PARTS.dimension), dtype=np.float32)
    write_embeddings(
        Embeddings(np.array(["a", "b"], dtype=object), vectors, {"distance": PARTS.text()}), tmp_path / "e"
    )
    assert read_embeddings(tmp_path / "e").distance == PARTS
    write_embeddings(Embeddings(np.array(["a", "b"], dtype=object), vectors), tmp_path / "plain")
    assert read_embeddings(tmp_path / "plain").distance is None
    assert PARTS.text() == '{"global":4,"kind":"visible-parts","lambda":0.5,"parts":[2,3],"root":"sqrt"}'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "earth-mover"}, "names the distance 'earth-mover', which is unknown"),
        ({"global": 5}, r"vectors of 12 numbers \(5 \+ 5 \+ 2 counts\), these have 11"),
        ({"parts": [2, 3, 1]}, "vectors of 13 numbers"),
        ({"parts": []}, "are not whole numbers above 0"),
        ({"parts": 5}, "are not whole numbers above 0"),
        ({"parts": [2, 3.0]}, "are not whole numbers above 0"),
        ({"global": 0}, "are not whole numbers above 0"),
        ({"lambda": -1}, "lambda is -1"),
        ({"lambda": "much"}, "lambda is 'much'"),
        ({"root": "cubic"}, "root is 'cubic', wanted one of sqrt, plain, none"),
        ({"root": None}, "root is None"),
        ({"colour": 1}, "knows no 'colour'"),
    ],
)
def test_what_cannot_be_meant_is_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    text = json.dumps(json.loads(PARTS.text()) | change)
    with pytest.raises(UserError, match=message):
        parse_distance(text, PARTS.dimension, where="a file")
    vectors = np.ones((2, PARTS.dimension), dtype=np.float32)
    write_embeddings(Embeddings(np.array(["a", "b"], dtype=object), vectors, {"distance": text}), tmp_path / "e")
    with pytest.raises(UserError, match=message) as error:
        read_embeddings(tmp_path / "e")
    assert error.value.where == str(tmp_path / "e") and error.value.mend


@pytest.mark.parametrize("text", ["", "cosine", "[]", "{}", "{"])
def test_words_that_are_no_distance_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="which is unknown"):
        parse_distance(text, 4, where="a file")


def test_a_key_that_is_missing_is_named() -> None:
    content = json.loads(PARTS.text())
    del content["root"]
    with pytest.raises(UserError, match="has no 'root'"):
        parse_distance(json.dumps(content), PARTS.dimension, where="a file")
