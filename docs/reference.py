"""Write the reference of hooks and objects at the end of plugins/README.md: `make reference`."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import spivae.api
import spivae.networks
from spivae import hookspecs

ROOT = Path(__file__).parents[1]
README = ROOT / "plugins" / "README.md"
BEGIN = "<!-- Written by `make reference` from here on; change the docstrings instead. -->\n"
EXAMPLES = (ROOT / "plugins", ROOT / "tests" / "third_party" / "spivae-gbm" / "spivae_gbm")


def hooks() -> dict[str, Any]:
    """Every hook by its name, in the order of hookspecs.py."""
    return {
        name: value
        for name, value in vars(hookspecs).items()
        if inspect.isfunction(value) and hasattr(value, "spivae_spec")
    }


def users(hook: str) -> list[Path]:
    """The bundled plugins, or else the modules of the example package, that implement a hook."""
    implemented = re.compile(rf"@hookimpl[^\n]*\ndef {hook}\(")
    for folder in EXAMPLES:
        found = [path for path in sorted(folder.glob("*.py")) if implemented.search(path.read_text("utf-8"))]
        if found:
            return found
    return []


def reference() -> str:
    """The section as Markdown."""
    return BEGIN + "\n" + "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "## Reference: hooks\n"
    yield "A hook may leave out arguments that it does not need.\n"
    for name, function in hooks().items():
        found = users(name)
        links = ", ".join(map(_link, found[:3])) + (" and others" if len(found) > 3 else "")
        yield f"### `{name}{_signature(function)}`\n"
        yield f"{_doc(function)}\n"
        yield f"Used by {links}.\n"
    yield "## Reference: what `spivae.api` holds\n"
    yield from _module(spivae.api)
    yield "## Reference: what `spivae.networks` holds\n"
    yield "For the module that an `Architecture` names, as torch comes with it.\n"
    yield from _module(spivae.networks)


def _module(module: types.ModuleType) -> Iterator[str]:
    names = [(name, getattr(module, name)) for name in sorted(module.__all__, key=str.lower)]
    for name, value in names:
        if inspect.isclass(value):
            yield from _class(name, value)
    yield "### Functions\n"
    for name, value in names:
        if inspect.isfunction(value):
            yield f"- `{name}{_signature(value)}`: {_first(value)}"
    yield ""
    others = [name for name, value in names if not inspect.isclass(value) and not inspect.isfunction(value)]
    if others:
        yield "### Constants and types\n"
        yield ", ".join(f"`{name}`" for name in others) + "\n"


def _class(name: str, kind: type) -> Iterator[str]:
    yield f"### `{name}`\n"
    yield f"{_doc(kind)}\n"
    listed = False
    for member, value in vars(kind).items():
        if member.startswith("_"):
            continue
        if inspect.isfunction(value):
            listed = True
            yield f"- `{member}{_signature(value)}`: {_first(value)}"
        elif isinstance(value, classmethod):
            listed = True
            yield f"- `{name}.{member}{_signature(value.__func__)}`: {_first(value.__func__)}"
        elif isinstance(value, property):
            listed = True
            yield f"- `{member}`: {_first(value)}"
    fields = _fields(kind)
    if fields:
        listed = True
        yield f"- fields: {', '.join(f'`{field}`' for field in fields)}"
    if listed:
        yield ""


def _fields(kind: type) -> list[str]:
    """Fields of a dataclass or a struct, or class attributes that a subclass sets."""
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    struct = getattr(kind, "__struct_fields__", ())
    if struct:
        return list(struct)
    annotations = inspect.get_annotations(kind)
    return [name for name in annotations if not name.startswith("_")]


class _Bare(str):
    """An annotation that is written without quotes and without module names."""

    def __repr__(self) -> str:
        return re.sub(r"\b(?:\w+\.)+(?=[A-Z]\w*)", "", self)


def _signature(function: types.FunctionType) -> str:
    """The arguments without `self`; defaults that are functions have no name."""
    signature = inspect.signature(function)
    kept = [
        one.replace(annotation=_Bare(one.annotation))
        for name, one in signature.parameters.items()
        if name not in ("self", "cls")
    ]
    written = str(signature.replace(parameters=kept, return_annotation=_Bare(signature.return_annotation)))
    return re.sub(r"<function [^>]*>? at \w+>", "...", written)


def _doc(value: object) -> str:
    """The docstring in Markdown, as paragraphs on one line each."""
    paragraphs = (inspect.getdoc(value) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _first(value: object) -> str:
    """The first paragraph of a docstring."""
    return _doc(value).split("\n\n")[0]


def _link(path: Path) -> str:
    target = path.relative_to(ROOT)
    place = target.name if target.parts[0] == "plugins" else Path("..") / target
    return f"[{target.name}]({place})"


def main() -> None:
    text = README.read_text("utf-8")
    written = text.split(BEGIN)[0] + reference()
    if written != text:
        README.write_text(written, "utf-8")


if __name__ == "__main__":
    main()
