"""The committed parser is the one that `make parser` makes: of today's parameters, world and labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from svrn.config.annotations import truth_digest
from svrn.config.benchmark import load_benchmark
from svrn.config.parser import MASKS, ParserParameters, parsed_columns, parser_folder, parser_key
from svrn.data.synthetic.planning import train_digest
from svrn.errors import UserError
from svrn.parser.training import RECORD, load_parser

COMMITTED = sorted(Path("results/recorded/parsers").glob(f"*/{RECORD}"))


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.parent.name)
def test_its_key_is_todays(file: Path) -> None:
    declared = load_benchmark("parsing", Path("params")).train_digest
    assert declared == train_digest("parsing")
    digests = {name: truth_digest(f"mask:{name}", "train", declared) for name in MASKS}
    assert parser_key(ParserParameters(), declared, digests) == file.parent.name, "run: make parser, then commit it"
    assert json.loads(file.read_text())["key"] == file.parent.name


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.parent.name)
def test_it_loads_and_says_what_it_can(file: Path) -> None:
    parser = load_parser(parser_folder(file.parent.name))
    assert parser.masks == MASKS and not parser.training
    with torch.inference_mode():
        shares = parser(torch.zeros(1, 3, 256, 256))
    assert shares.shape == (1, len(MASKS), 32, 32) and shares.isfinite().all()


@pytest.mark.parametrize("name", ["demo-veri776", "synthetic-veri776", "synthetic-vehicleid", "synthetic-veriwild"])
def test_benchmarks_name_a_parser_that_there_is(name: str) -> None:
    named = load_benchmark(name, Path("params")).annotations
    assert named is not None and named.parser is not None
    assert named.parser in [file.parent.name for file in COMMITTED]
    assert len(parsed_columns()) == 26


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.parent.name)
def test_under_another_name_or_with_other_parameters_it_is_refused(file: Path, tmp_path: Path) -> None:
    record = json.loads(file.read_text())
    another = {"parameters": record["parameters"] | {"seed": 9}}
    for name, changed in (("0123456789ab", {}), (file.parent.name, another)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / RECORD).write_text(json.dumps(record | changed))
        with pytest.raises(UserError, match="this folder's name is another parser's"):
            load_parser(folder)
