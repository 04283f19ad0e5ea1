"""Where a training is to run: a line that says it, and the fields that change it, when asked for."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from spivae_tui.where_form import WhereForm
from spivae_tui.widgets.form_line import FormLine, field_line


class WherePane(Vertical):
    """Closed, it is one line; the fields of a job are there once the training goes to Slurm."""

    def __init__(self, where: WhereForm) -> None:
        super().__init__(id="where")
        self.where = where

    def compose(self) -> ComposeResult:
        with Horizontal(classes="line-cells"):
            yield Static("Where", classes="line-label section")
            yield Static(id="where-words", markup=False)
        with Vertical(id="where-fields"):
            for spec in self.where.fields:
                yield field_line(spec, self.where.texts[spec.path])
        with Vertical(id="job-fields"):
            for spec in self.where.job_fields:
                yield field_line(spec, self.where.texts[spec.path])

    def on_mount(self) -> None:
        self.show_words()

    def show_words(self) -> None:
        """Say what is typed now."""
        self.set_class(self.where.by_slurm, "-job")
        self.query_one("#where-words", Static).update(self.where.words())

    def toggle(self) -> None:
        """Open the fields and go to the first, or close them."""
        self.toggle_class("-open")
        if self.has_class("-open"):
            first = self.query(FormLine).first().controls[0]
            # laid out first, or there is nothing to scroll to
            self.call_after_refresh(first.focus)
            self.call_after_refresh(self.scroll_visible, top=True, animate=False)
        elif self.screen.focused is not None and self in self.screen.focused.ancestors:
            self.screen.query_one("#source").focus()
