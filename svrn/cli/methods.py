"""`svrn methods`: every method that can be trained, and what stands behind each."""

from __future__ import annotations

from typing import Annotated

import typer


def methods(name: Annotated[str | None, typer.Argument(help="One method, by its name.")] = None) -> None:
    """List the methods, or show one: idea, source, labels that it needs, what is certain and what is our reading."""
    from svrn.config.methods import method_names, parameters_class

    if name is not None:
        print(_page(name))
        return
    for each in method_names():
        about = parameters_class(each).about
        print(f"{each}: {about.title}")
        print(_wrapped(about.idea))
        print(f"  labels: {_needs(each)}")
    print("\n`svrn methods NAME` says more; docs/methods.md shows how to add one.")


def _page(name: str) -> str:
    from svrn.config.methods import parameters_class

    own = parameters_class(name)
    about = own.about
    lines = [f"{about.title} (method.name: {name})", "", _wrapped(about.idea), "", "source", _wrapped(about.source)]
    lines += ["", "labels", f"  {_needs(name)}"]
    for head, items in (("certain", about.certain), ("our reading", about.readings)):
        lines += ["", head, *(_wrapped(item, "  - ") for item in items)]
    lines += ["", "what takes the idea away", _wrapped(about.ablation), "", "parameters"]
    fields = {field: info for field, info in own.model_fields.items() if field != "name"}
    lines += [_wrapped(f"{field} ({info.default}): {info.description or ''}", "  - ") for field, info in fields.items()]
    lines += [] if fields else ["  none of its own"]
    return "\n".join([*lines, "", f"page: {about.page}; models: {', '.join(_models(name)) or 'none yet'}"])


def _needs(name: str) -> str:
    from svrn.config.methods import parameters_class
    from svrn.config.parameters import RunParameters
    from svrn.config.side import SideColumns

    def words(columns: SideColumns) -> str:
        return ", ".join(one.replace(":", " ") for one in columns.names())

    own = parameters_class(name)()
    needs = own.needs(RunParameters().model_copy(update={"method": own}))
    if not needs.training and not needs.test:
        return "identities alone"
    parts = ["identities", f"in training {words(needs.training)}" if needs.training else ""]
    parts.append(f"at test {words(needs.test)}" if needs.test else "none at test")
    return "; ".join(part for part in parts if part)


def _models(name: str) -> list[str]:
    """The overlays in params/models/ that make runs of a method."""
    from svrn.config.documents import read_tree
    from svrn.config.methods import DEFAULT
    from svrn.config.study import PARAMS

    files = sorted((PARAMS / "models").glob("*.yaml"))
    return [file.stem for file in files if read_tree(file).get("method", {}).get("name", DEFAULT) == name]


def _wrapped(text: str, first: str = "  ") -> str:
    import textwrap

    return textwrap.fill(text, 100, initial_indent=first, subsequent_indent=" " * len(first))
