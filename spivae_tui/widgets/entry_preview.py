"""What is known of the selected entry: a panel at the side, or two lines below the list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from spivae import wording
from spivae_tui import text
from spivae_tui.describe import arguments, bars, latents_words, metrics_line, steps_predicted
from spivae_tui.listing import is_broken
from spivae_tui.run_words import roughly

if TYPE_CHECKING:
    from spivae.catalog import Entry
    from spivae.checkpoint import Checkpoint


class EntryPreview(Widget):
    """The selected entry; `compact` says it in two lines.

    `header` is the entry's checkpoint once it has been read, and adds its arguments.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"entry-preview--{role}" for role in ("title", "muted", "bad", "accent", "rule")
    }
    ALLOW_SELECT = False

    def __init__(self, *, compact: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.compact = compact
        self.entry: Entry | None = None
        self.header: Checkpoint | None = None

    def show(self, entry: Entry | None, header: Checkpoint | None = None) -> None:
        """Show another entry, or the same with its header; nothing is drawn where both are as they were."""
        if entry != self.entry or header is not self.header:
            self.entry, self.header = entry, header
            self.refresh()

    def style_of(self, role: str) -> Style:
        return self.get_component_rich_style(f"entry-preview--{role}", partial=True)

    def render(self) -> Text:
        if self.entry is None:
            return Text("")
        width = self.content_size.width
        lines = self._two_lines(self.entry, width) if self.compact else self._panel(self.entry, width)
        return Text("\n", no_wrap=True, overflow="ellipsis").join(
            list(lines)[: max(1, self.content_size.height)]
        )

    def _two_lines(self, entry: Entry, width: int) -> Iterator[Text]:
        where = f"  {entry.where}" if 0 < len(entry.where) < width // 2 else ""
        yield Text(text.shorten(entry.path, width - len(where)) + where, self.style_of("muted"))
        if entry.error:
            yield Text(text.clip(entry.error, width), self.style_of("bad"))
            return
        if entry.why:
            yield Text(text.clip(entry.why, width))
            return
        parts = metrics_line(entry.metrics, steps_predicted(self.header) if self.header else None)
        if alive := latents_words(entry.metrics):
            parts.append(alive)
        yield Text(text.clip("  ".join(parts) or "no metrics recorded", width))

    def _panel(self, entry: Entry, width: int) -> Iterator[Text]:
        muted, accent = self.style_of("muted"), self.style_of("accent")
        yield Text(text.shorten(entry.name, width), self.style_of("title"))
        yield Text(text.shorten(entry.path, width), muted)
        yield Text("")
        if entry.error:
            yield from Text(entry.error, self.style_of("bad")).wrap(self.app.console, width)
            if is_broken(entry):
                return
            yield Text("")
        if entry.why:
            yield from Text(entry.why).wrap(self.app.console, width)
            yield Text("")

        def fact(label: str, value: str) -> Text:
            return Text.assemble((f"{label:<16}", muted), text.fit(value, max(0, width - 16)).rstrip())

        metrics = entry.metrics
        if entry.kind == "run":
            yield fact("state", entry.state)
            if entry.progress is not None:
                yield fact("progress", f"{int(entry.progress * 100)} %")
            if entry.left is not None:
                yield fact("time left", roughly(entry.left))
            if entry.where:
                yield fact("trained by", entry.where)
            if entry.tags:
                yield fact("tags", " ".join(entry.tags))
        yield fact("process", entry.process or wording.NOTHING)
        yield fact("format", entry.format or wording.NOTHING)
        if entry.parameters:
            yield fact("parameters", f"{entry.parameters:,}")
        if self.header is not None:
            yield fact("receptive field", f"{self.header.receptive_field} steps")
        yield from (fact(label, value) for label, value in self._numbers(metrics))
        latents = metrics.get("kl_latents")
        if latents:
            yield Text("")
            yield Text("KL per latent (nats)", muted)
            alive = set(metrics.get("surviving") or ())
            for index, label, bar, value in bars(latents, width - 14, ascii_only=self.app.ascii_only):  # type: ignore[attr-defined]
                yield Text.assemble(
                    (f"{label:<4}", "" if index in alive else muted),
                    (bar, accent if index in alive else muted),
                    (f"{value:>9}", "" if index in alive else muted),
                )
        if self.header is not None:
            for title, mapping in (("Data", self.header.ds_args), ("Model", self.header.model_args)):
                if mapping:
                    yield Text("")
                    yield Text(title, muted)
                    yield from (fact(name, value) for name, value in arguments(mapping))

    def _numbers(self, metrics: dict[str, Any]) -> Iterator[tuple[str, str]]:
        beta = metrics.get("beta")
        if beta is not None:
            steps = steps_predicted(self.header) if self.header else None
            in_units = text.true_beta(beta, steps)
            yield (
                "beta",
                wording.power(beta) + (f" (×{steps} = {in_units:.3g})" if in_units is not None else ""),
            )
        if metrics.get("nll") is not None:
            yield "NLL", f"{wording.fixed(metrics['nll'])} nats/step"
        if metrics.get("neg_elbo") is not None:
            yield "-ELBO", f"{wording.fixed(metrics['neg_elbo'])} nats/step"
        if metrics.get("kl") is not None:
            yield "KL", f"{wording.nats(metrics['kl'])} nats"
        if metrics.get("epoch") is not None:
            yield "epoch", f"{metrics['epoch']:g}"
