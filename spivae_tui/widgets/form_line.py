"""A line of the training form: a label, one or more controls, and beneath them what is wrong with one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, Static

from spivae.wording import NOTHING

if TYPE_CHECKING:
    from spivae_tui.recipe_form import FormField

_ACROSS: list[BindingType] = [Binding("up", "go(-1)", show=False), Binding("down", "go(1)", show=False)]


class Go(Message):
    """The focus is to move to the control above (-1) or below (1)."""

    def __init__(self, sender: Widget, by: int) -> None:
        super().__init__()
        self.sender_widget = sender
        self.by = by


class Edited(Message):
    """The text of a control has changed."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__()
        self.path = path
        self.text = text


class Typed(Input):
    """A text that is part of the recipe."""

    BINDINGS = _ACROSS

    def __init__(self, path: str, text: str, help: str, *, classes: str = "") -> None:
        self.path, self.help = path, help
        super().__init__(
            text,
            NOTHING,  # or an empty one would not be seen where fields have no background
            compact=True,
            select_on_focus=False,
            classes=f"control {classes}",
        )
        self.cursor_blink = False

    def action_go(self, by: int) -> None:
        self.post_message(Go(self, by))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(Edited(self.path, event.value))


class Choice(Widget, can_focus=True):
    """One of a few words; space, enter, the arrows and a click go to the next."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *_ACROSS,
        Binding("space,enter,right", "turn(1)", show=False),
        Binding("left", "turn(-1)", show=False),
    ]
    ALLOW_SELECT = False
    value: reactive[str] = reactive("", init=False)

    def __init__(self, path: str, text: str, help: str, choices: Sequence[str], *, classes: str = "") -> None:
        super().__init__(classes=f"control {classes}")
        self.path, self.help, self.choices = path, f"{help} (space changes it)", tuple(choices)
        self.set_reactive(Choice.value, text)

    def render(self) -> Text:
        return Text(self.value, no_wrap=True)

    def action_go(self, by: int) -> None:
        self.post_message(Go(self, by))

    def action_turn(self, by: int) -> None:
        at = self.choices.index(self.value) if self.value in self.choices else -by
        self.value = self.choices[(at + by) % len(self.choices)]

    def on_click(self) -> None:
        self.action_turn(1)

    def watch_value(self, value: str) -> None:
        self.post_message(Edited(self.path, value))


class FormLine(Vertical):
    """Controls side by side under one label."""

    def __init__(
        self, label: str, cells: Iterable[Widget], *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.label = label
        self.cells = list(cells)

    @property
    def controls(self) -> list[Typed | Choice]:
        return [cell for cell in self.cells if isinstance(cell, Typed | Choice)]

    def compose(self) -> ComposeResult:
        with Horizontal(classes="line-cells"):
            yield Static(self.label, classes="line-label", markup=False)
            yield from self.cells
        yield Static(classes="line-error", markup=False)

    def show_errors(self, errors: Mapping[str, str]) -> None:
        """Mark the controls whose path has an error, and say the first of them."""
        reason = ""
        for control in self.controls:
            wrong = errors.get(control.path, "")
            control.set_class(bool(wrong), "-wrong")
            reason = reason or wrong
        line = self.query_one(".line-error", Static)
        if self.has_class("-wrong") != bool(reason) or str(line.content) != reason:
            line.update(reason)
            self.set_class(bool(reason), "-wrong")


def field_line(spec: FormField, text: str) -> FormLine:
    """The line of one field."""
    name = spec.path.rpartition(".")[2]
    help = spec.help if spec.help.startswith(name) else f"{name}: {spec.help}"
    control: Widget
    if spec.kind == "bool":
        control = Choice(spec.path, text, help, ("yes", "no"))
    else:
        control = Typed(spec.path, text, help)
    return FormLine(spec.label, [control], classes="field")
