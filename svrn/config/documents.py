"""Reading parameter files: YAML in, typed objects out, every mistake with its file, key and mend."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from svrn.config.places import find, names
from svrn.errors import UserError

M = TypeVar("M", bound=BaseModel)
Tree = dict[str, Any]


def read_tree(file: Path) -> Tree:
    """The mapping in a YAML file ({} for an empty one); a file of params/ is looked for in every place (`places`).

    Raises:
        UserError: no such file, not YAML, not a mapping, a key that stands twice.
    """
    try:
        text = find(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError("no such file", where=str(file), mend=suggestion(file.stem, names(file.parent))) from None
    except (IsADirectoryError, UnicodeDecodeError, PermissionError) as error:
        raise UserError(f"cannot be read: {error}", where=str(file)) from error
    try:
        tree = yaml.load(text, Loader=_UniqueKeys)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        raise UserError(f"not YAML: {error.problem or error.context}", where=place) from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"wanted keys and values, got {type(tree).__name__}", where=str(file))
    return tree


class _UniqueKeys(yaml.SafeLoader):
    """YAML that refuses a key given twice, which plain YAML silently lets the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {name!r} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def merge(*trees: Tree) -> Tree:
    """Overlay trees from left to right: mappings merge key by key, anything else is replaced."""
    merged: Tree = {}
    for tree in trees:
        for key, value in tree.items():
            if isinstance(value, dict):
                below = merged.get(key)
                merged[key] = merge(below if isinstance(below, dict) else {}, value)
            else:
                merged[key] = value
    return merged


def validate(model: type[M], tree: Tree, *, where: str) -> M:
    """Build a typed object; the first mistake becomes a `UserError` with its key path.

    Raises:
        UserError: an unknown key (with the nearest known one), a wrong type or value.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise _explain(error, model, where) from None


def _explain(error: ValidationError, model: type[BaseModel], where: str) -> UserError:
    first = next((e for e in error.errors() if e["type"] == "extra_forbidden"), error.errors()[0])
    path = [str(part) for part in first["loc"]]
    place = f"{where}: {'.'.join(path)}" if path else where
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, path[:-1])
        return UserError(f"unknown key {path[-1]!r}", where=place, mend=suggestion(path[-1], known))
    message = first["msg"].removeprefix("Value error, ")
    seen = first.get("input")
    shown = f", got {seen!r}" if not isinstance(seen, (dict, BaseModel)) and "got" not in message else ""
    more = error.error_count() - 1
    return UserError(f"{message}{shown}" + (f" (and {more} more)" if more else ""), where=place)


def _known_keys(model: type[BaseModel], path: list[str]) -> list[str]:
    current: Any = model
    for part in path:
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:  # inside a list or a mapping: the item's model is not reached by name
            return []
        current = field.annotation
    return list(getattr(current, "model_fields", {}))


def suggestion(name: str, known: list[str]) -> str | None:
    """A did-you-mean for a name, or the list of what there is."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else None
