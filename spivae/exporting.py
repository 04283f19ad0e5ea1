"""Answers of analyses as files: pictures for print, and numbers to go on with. The suffix says which."""

from __future__ import annotations

import importlib.util
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from spivae.errors import SpivaeError, WorkFailed
from spivae.exporter import About as About
from spivae.files import check_out, replacing
from spivae.npz import put

if TYPE_CHECKING:
    from spivae.analysis import Result
    from spivae.exporter import Exporter
    from spivae.figure.export import Kind
    from spivae.figure.spec import Figure

NONE: Mapping[str, Exporter] = MappingProxyType({})
HINT = "pip install 'spivae[export]'"
SCALARS, ABOUT = "scalars.json", "about.json"  # the entries of an .npz file that are no arrays of the result


def export(
    path: Path | str,
    figure: Figure,
    result: Result,
    about: About,
    exporters: Mapping[str, Exporter] = NONE,
) -> Path:
    """Write an answer to a file in the format of its suffix, and return the file's path.

    .png, .svg and .pdf are the figure; .csv its points, one a row; .json {name, title, options, data,
    checkpoint, scalars, arrays}, where NaN and infinity are null; .npz the result's arrays under their names,
    with `scalars.json` and `about.json` as text. `exporters` of plugins, by their suffixes, write others. The
    file takes the place of an old one when it is whole. Raises SpivaeError for what `check` refuses and
    WorkFailed where the system does (a full disk), or where an exporter breaks.
    """
    target = check(path, exporters)
    suffix = target.suffix.lower()
    if suffix in exporters:
        content = _of_plugin(exporters[suffix], figure, result, about)
    else:
        content = _WRITERS[suffix](figure, result, about)
    with replacing(target) as handle:
        handle.write(content)
    return target


def check(path: Path | str, exporters: Mapping[str, Exporter] = NONE) -> Path:
    """Refuse what cannot be written before any work is done for it.

    Raises SpivaeError for an unknown suffix, a missing folder and a picture without matplotlib, WorkFailed
    for a folder that cannot be written to.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in _WRITERS and suffix not in exporters:
        known = ", ".join([*SUFFIXES, *exporters])
        raise SpivaeError(f"{target}: its suffix names no format; there are {known}")
    if suffix in PICTURES and importlib.util.find_spec("matplotlib") is None:
        raise SpivaeError(f"{target}: pictures need matplotlib: {HINT}")
    check_out(target)
    return target


def _of_plugin(exporter: Exporter, figure: Figure, result: Result, about: About) -> bytes:
    try:
        content = exporter.content(figure, result, about)
    except (SpivaeError, MemoryError):
        raise
    except Exception as error:
        raise WorkFailed(f"exporter {exporter.name}: {type(error).__name__}: {error}") from error
    if not isinstance(content, bytes):
        raise WorkFailed(f"exporter {exporter.name}: gave {type(content).__name__}, not bytes")
    return content


def of_several(path: Path, name: str) -> Path:
    """Where one of several analyses goes when they share a path: fig.pdf becomes fig-NAME.pdf."""
    return path.with_name(f"{path.stem}-{name}{path.suffix}")


def _picture(kind: Kind) -> Callable[[Figure, Result, About], bytes]:
    def write(figure: Figure, result: Result, about: About) -> bytes:
        from spivae.figure.export import picture

        return picture(figure, kind)

    return write


def _csv(figure: Figure, result: Result, about: About) -> bytes:
    from spivae.figure.tables import table

    return table(figure)


def _json(figure: Figure, result: Result, about: About) -> bytes:
    return (json.dumps(vars(about) | result.to_json(), ensure_ascii=False, indent=1) + "\n").encode()


def _npz(figure: Figure, result: Result, about: About) -> bytes:
    texts = {SCALARS: result.to_json()["scalars"], ABOUT: vars(about)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in {
            **result.arrays,
            **{key: json.dumps(text) for key, text in texts.items()},
        }.items():
            array = np.asarray(values)
            if array.dtype.hasobject:
                raise WorkFailed(f"analysis {about.name}: array {name} holds objects, which no .npz file can")
            put(archive, name, array)
    return buffer.getvalue()


_WRITERS: dict[str, Callable[[Figure, Result, About], bytes]] = {
    ".png": _picture("png"),
    ".svg": _picture("svg"),
    ".pdf": _picture("pdf"),
    ".csv": _csv,
    ".json": _json,
    ".npz": _npz,
}
SUFFIXES = tuple(_WRITERS)
PICTURES = SUFFIXES[:3]
