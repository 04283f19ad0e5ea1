"""Checkpoints in numpy's format (weights by name, `header` as JSON), and answers for shell scripts."""

import io
import json
import zipfile

import numpy as np

from spivae.api import Checkpoint, Exporter, hookimpl

HEADER = ("process", "architecture", "model_args", "ds_args", "metrics")


@hookimpl
def read_checkpoint(path):
    """A checkpoint, or None for what is none of ours: other plugins are asked then."""
    if not zipfile.is_zipfile(path):
        return None
    with np.load(path, allow_pickle=False) as file:
        if "header" not in file.files:
            return None
        header = json.loads(str(file["header"]))
        weights = {name: file[name] for name in file.files if name != "header"}
    return Checkpoint(path=str(path), format="npz", weights=weights, **{key: header[key] for key in HEADER})


class Numbers(Exporter):
    """The scalars of an answer as lines of text, for shell scripts."""

    name = ".sh"
    title = "Shell variables"

    def content(self, figure, result, about):
        lines = io.StringIO()
        for name, value in result.to_json()["scalars"].items():
            lines.write(f"{name}={json.dumps(json.dumps(value))}\n")
        return lines.getvalue().encode()


@hookimpl
def register_exporters(register):
    register(Numbers())
