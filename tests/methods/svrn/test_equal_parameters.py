"""Table 8's baseline of equal parameters has as many as SVRN, in every suite."""

from __future__ import annotations

import pytest
from building import build_network

from svrn.config.documents import merge
from svrn.config.parameters import RunParameters
from svrn.config.study import load_study

#: Training identities: of the presets (4 to a near-duplicate group), and of VeRi-776.
IDENTITIES = {"smoke": 8, "demo": 192, "synthetic": 400, "paper": 576}


def number_of_parameters(parameters: RunParameters, identities: int) -> int:
    random = {"model": {"backbone": {"weights": "random"}}}
    model = RunParameters.model_validate(merge(parameters.model_dump(), random)).model
    return sum(p.numel() for p in build_network(model, identities).parameters())


@pytest.mark.parametrize("suite", IDENTITIES)
def test_the_control_is_as_large_as_svrn(suite: str) -> None:
    cells = {cell.row: cell for cell in load_study(suite).cells if cell.table == "table8"}
    numbers = {
        name: number_of_parameters(cells[name].parameters[0], IDENTITIES[suite])
        for name in ("Baseline of equal parameters", "SVRN")
    }
    assert numbers["Baseline of equal parameters"] == pytest.approx(numbers["SVRN"], rel=0.01)
