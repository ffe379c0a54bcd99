"""The files that are made from the typed parameters: params/base.yaml and the JSON schemas.

`python -m svrn.config.generate` writes them; a test fails when they no longer agree with the code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from svrn.config.benchmark import Benchmark
from svrn.config.methods import MethodParameters, method_names, parameters_class
from svrn.config.parameters import RunParameters
from svrn.config.suite import Settings, Suite
from svrn.config.tables import Table
from svrn.files import write_text

SCHEMAS: dict[str, type[BaseModel]] = {
    "parameters": RunParameters,
    "benchmark": Benchmark,
    "suite": Suite,
    "table": Table,
    "config": Settings,
}

_HEAD = """\
# Every parameter of a run with its default: the paper's configuration as docs/readings.md reads it.
# Suites, models and table rows are overlays on this file. Its keys and comments are generated from
# svrn/config/parameters.py (`make schemas`); a value changed here changes every run that does not override it.
"""


def base_yaml() -> str:
    """params/base.yaml: the defaults, each with its description as a comment."""
    return _HEAD + "\n".join(_lines(RunParameters(), 0)) + "\n"


def _lines(node: BaseModel, depth: int) -> list[str]:
    lines = []
    for name, info in type(node).model_fields.items():
        value = getattr(node, name)
        pad = "  " * depth
        if isinstance(value, BaseModel):
            lines.append(f"{pad}{name}:{_comment(_described(info) or (type(value).__doc__ or '').splitlines()[0])}")
            lines += _lines(value, depth + 1)
        else:
            lines.append(f"{pad}{name}: {_scalar(value)}{_comment(_described(info))}")
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        return _yaml_float(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_scalar(v) for v in value) + "]"
    return value if isinstance(value, str) else json.dumps(value)


def _yaml_float(value: float) -> str:
    """A float that YAML 1.1 reads as a float: 1e-4 without a point is text to it."""
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return text


def _described(info: FieldInfo) -> str:
    return info.description or ""


def _comment(text: str) -> str:
    return f"  # {text}" if text else ""


def schema_json(model: type[BaseModel]) -> str:
    """The JSON schema of a parameter file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    if model is RunParameters:
        del schema["$defs"][MethodParameters.__name__]
        schema["properties"]["method"] = {
            "anyOf": [parameters_class(name).model_json_schema() for name in method_names()]
        }
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def generated(root: Path) -> dict[Path, str]:
    """Every generated file and its content."""
    files = {root / "params" / "base.yaml": base_yaml()}
    for name, model in SCHEMAS.items():
        files[root / "workflow" / "schemas" / f"{name}.schema.json"] = schema_json(model)
    return files


def main() -> None:
    for file, content in generated(Path()).items():
        write_text(file, content)
        print(file)


if __name__ == "__main__":
    main()
