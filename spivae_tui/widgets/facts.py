"""The head of a checkpoint: what it is in one line, how good it is in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.widget import Widget

from spivae_tui.describe import latents_words, metrics_line, steps_predicted

if TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint


class Facts(Widget):
    """Two lines; numbers plain, their names muted."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"facts--muted"}
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.checkpoint: Checkpoint | None = None

    def show(self, checkpoint: Checkpoint) -> None:
        """Show a checkpoint."""
        self.checkpoint = checkpoint
        self.refresh()

    def render(self) -> Text:
        if self.checkpoint is None:
            return Text("")
        checkpoint = self.checkpoint
        muted = self.get_component_rich_style("facts--muted", partial=True)
        gap = ("  ·  ", muted) if self.content_size.width >= 100 else (" · ", muted)
        steps = steps_predicted(checkpoint)
        what = [checkpoint.process or "no process", f"{checkpoint.parameters:,} parameters"]
        if checkpoint.receptive_field:
            what.append(f"receptive field {checkpoint.receptive_field} steps")
        if alive := latents_words(checkpoint.metrics):
            what.append(alive)
        metrics = dict(checkpoint.metrics)
        if checkpoint.beta is not None:
            metrics.setdefault("beta", checkpoint.beta)
        numbers = metrics_line(metrics, steps) or ["no metrics recorded"]
        lines = [Text.assemble(gap).join(Text(part) for part in parts) for parts in (what, numbers)]
        return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
