"""Text: the figure of an analysis as a terminal shows it, for letters, logs and issues."""

from __future__ import annotations

from spivae.api import Exporter, hookimpl, text_of

WIDTH = 100


class TextExporter(Exporter):
    name = ".txt"
    title = "Text"

    def content(self, figure, result, about):
        told = f"{about.title} of {about.checkpoint}" if about.checkpoint else about.title
        lines = [line.rstrip() for line in text_of(figure, WIDTH).splitlines()]
        return "\n".join([told, "", *lines, ""]).encode()


@hookimpl
def register_exporters(register):
    register(TextExporter())
