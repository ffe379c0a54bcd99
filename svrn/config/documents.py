"""Reading parameter files: YAML in, typed objects out, every mistake with its file, key and mend."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from svrn.config.places import find, names
from svrn.errors import UserError
from svrn.ordinary import read_ordinary

M = TypeVar("M", bound=BaseModel)
Tree = dict[str, Any]


#: A parameter file is written by hand. These bound what one that is none (a link to something else, aliases of
#: aliases) can take of memory and time.
_MOST_BYTES = 1 << 24
_MOST_NODES = 100_000
_MOST_LEVELS = 50
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def read_named(folder: Path, name: str, kind: str) -> tuple[Path, Tree]:
    """The file NAME.yaml of a folder, and the mapping in it.

    Raises:
        UserError: a name that cannot be part of files' and commands' names, or as `read_tree`.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot be the name of a {kind}: it becomes part of files' and commands' names",
            where=str(folder),
            mend="rename its file: letters from a to z, digits, - _ and . are fine, and the first is a letter or digit",
        )
    file = folder / f"{name}.yaml"
    return file, read_tree(file)


def read_tree(file: Path) -> Tree:
    """The mapping in a YAML file ({} for an empty one); a file of params/ is looked for in every place (`places`).

    Raises:
        UserError: no such file, no ordinary one, not YAML, not a mapping, a key that stands twice.
    """
    try:
        text = read_ordinary(find(file), _MOST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError("no such file", where=str(file), mend=_nearest(file)) from None
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot be read: {what}", where=str(file)) from error
    try:
        loader = _UniqueKeys(text)
        node = loader.get_single_node()
        if node is not None:
            _measure(node, file)
        tree = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        raise UserError(f"not YAML: {error.problem or error.context}", where=place) from error
    except RecursionError:
        raise UserError(f"nested more than {_MOST_LEVELS} levels deep", where=str(file)) from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:  # a letter or a date that YAML has none for
        raise UserError(f"not YAML: {' '.join(str(error).split())[:200]}", where=str(file)) from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"wanted keys and values, got {type(tree).__name__}", where=str(file))
    return tree


def _nearest(file: Path) -> str | None:
    if file.with_suffix(".yml").is_file():
        return f"{file.stem}.yml is there: rename it {file.name}"
    return suggestion(file.stem, names(file.parent))


def _measure(root: yaml.Node, file: Path) -> None:
    """Refuse what aliases would make too large or endless: each use of one counts as what it stands for."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, level: int) -> int:
        if level > _MOST_LEVELS:  # an alias within what it stands for comes here too
            where = f"{file}:{node.start_mark.line + 1}"
            raise UserError(f"nested more than {_MOST_LEVELS} levels deep", where=where)
        if isinstance(node, yaml.ScalarNode) and any("\ud800" <= letter <= "\udfff" for letter in node.value):
            raise UserError("half of a letter (a surrogate)", where=f"{file}:{node.start_mark.line + 1}")
        if id(node) not in sizes:
            below: list[yaml.Node] = []
            if isinstance(node, yaml.MappingNode):
                below = [part for pair in node.value for part in pair]
            elif isinstance(node, yaml.SequenceNode):
                below = node.value
            sizes[id(node)] = 1 + sum(size(part, level + 1) for part in below)
        return sizes[id(node)]

    if size(root, 0) > _MOST_NODES:
        raise UserError(f"more than {_MOST_NODES:,} values, aliases counted as what they stand for", where=str(file))


class _UniqueKeys(yaml.SafeLoader):
    """YAML that refuses a key given twice, which plain YAML silently lets the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            name = self.construct_object(key, deep=True)
            if not isinstance(name, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key that is no text", key.start_mark)
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
    unquoted = first["type"] == "string_type" and isinstance(seen, (int, float, datetime.date))
    mend = "put it in quotes: without them YAML makes a number, a date or a yes of it" if unquoted else None
    return UserError(f"{message}{shown}" + (f" (and {more} more)" if more else ""), where=place, mend=mend)


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
