"""A table of the paper as parameters: rows are overrides and the numbers that the paper reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from svrn.config.strict import Strict

Metric = Literal["mAP", "CMC@1", "CMC@5", "CMC@10", "mINP", "train.ms", "inference.ms"]
TIMINGS = ("train.ms", "inference.ms")


class Column(Strict):
    """A column of numbers: a metric on a test set of a benchmark, or a time."""

    metric: Metric
    benchmark: str | None = Field(None, description="the role a suite fills: veri776, vehicleid or veriwild")
    test: str = Field("test", description="the test set's name")
    protocol: str | None = Field(None, description="another protocol than the test set's headline")

    @model_validator(mode="after")
    def _times_have_no_benchmark(self) -> Column:
        if (self.metric in TIMINGS) != (self.benchmark is None):
            raise ValueError("a metric needs a benchmark, a time has none")
        if self.benchmark is None and self.protocol is not None:
            raise ValueError("a time has no protocol")
        return self

    @property
    def name(self) -> str:
        """The column's name in cells.parquet and `svrn trace`.

        `veri776.mAP`, `veriwild.S.mAP`, `veriwild.S.veriwild-junk-kept.mAP`, `train.ms`.
        """
        if self.benchmark is None:
            return self.metric
        test = None if self.test == "test" else self.test
        return ".".join(part for part in (self.benchmark, test, self.protocol, self.metric) if part)


class Row(Strict):
    """A method. Without `model` it is a rival's, reported only."""

    method: str
    group: str | None = None
    model: str | None = Field(None, description="overlay in params/models/ that makes this row")
    overrides: dict[str, Any] = Field(default_factory=dict, description="further parameters of this row alone")
    attributes: dict[str, str] = Field(default_factory=dict, description="what the paper prints beside the method")
    control: str | None = Field(
        None, description="what it would mean if the suite's method were no better than this row, as a clause"
    )
    reported: tuple[float | Literal["lost"] | None, ...] = Field(
        (),
        description="the paper's numbers, a column each; null: not reported; lost: missing from the copy at hand; left"
        " out where the paper reports none",
    )


class Table(Strict):
    """One table."""

    title: str
    attributes: tuple[str, ...] = Field((), description="heads of the attribute columns, in order")
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @field_validator("rows")
    @classmethod
    def _unreported(cls, rows: tuple[Row, ...], info: ValidationInfo) -> tuple[Row, ...]:
        columns = len(info.data.get("columns", ()))
        nothing = (None,) * columns
        return tuple(row if row.reported else row.model_copy(update={"reported": nothing}) for row in rows)

    def with_models(self, models: Mapping[str, str], more: Sequence[Row]) -> Table:
        """The table with models for rows that are reported only, and with more rows.

        Raises:
            ValueError: a row that it does not have, or that has a model already.
        """
        bare = [row.method for row in self.rows if row.model is None]
        for method in models:
            if method not in bare:
                raise ValueError(f"no row {method!r} without a model; there are {', '.join(bare) or 'none'}")
        rows = [row.model_copy(update={"model": models.get(row.method, row.model)}) for row in self.rows]
        tree = self.model_dump() | {"rows": [row.model_dump() for row in (*rows, *more)]}
        return Table.model_validate(tree)

    @model_validator(mode="after")
    def _rectangular(self) -> Table:
        for row in self.rows:
            if len(row.reported) != len(self.columns):
                raise ValueError(f"row {row.method!r} has {len(row.reported)} numbers for {len(self.columns)} columns")
            unknown = set(row.attributes) - set(self.attributes)
            if unknown:
                raise ValueError(f"row {row.method!r} has attribute {unknown.pop()!r} that the table does not name")
        names = self.row_names()
        if len(set(names)) < len(names):
            raise ValueError("two rows have the same method and attributes")
        return self

    def row_names(self) -> list[str]:
        """A unique name for each row: the method, with its attributes in brackets where methods repeat."""
        methods = [row.method for row in self.rows]
        return [
            row.method
            if methods.count(row.method) == 1
            else f"{row.method} ({', '.join(f'{k}={v}' for k, v in row.attributes.items())})"
            for row in self.rows
        ]
