"""Form controls made from declared options: one line each, a label and a control."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Checkbox, Input, Select, Static

from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.analysis import Option


class Field(Horizontal):
    """One option. It posts Changed with a parsed value, or Refused with the reason.

    A choice or a yes-or-no counts at once, a typed value on Enter or when the field is left.
    """

    class Changed(Message):
        """The option has another value."""

        def __init__(self, field: Field, value: Any) -> None:
            super().__init__()
            self.field = field
            self.value = value

        @property
        def control(self) -> Field:
            return self.field

    class Refused(Changed):
        """What was typed is no value of this option; `value` is the reason."""

    def __init__(self, option: Option, value: Any, *, group: str = "") -> None:
        super().__init__()
        self.option = option
        self.value = value
        self.group = group

    @property
    def help(self) -> str:
        """What the option does and allows, in a line."""
        option, limits = self.option, ""
        if option.low is not None and option.high is not None:
            limits = f" ({option.low:g} to {option.high:g})"
        elif option.low is not None:
            limits = f" (at least {option.low:g})"
        elif option.high is not None:
            limits = f" (at most {option.high:g})"
        return f"{option.name}: {option.help}{limits}" + ("; empty for none" if option.optional else "")

    def compose(self) -> ComposeResult:
        yield Static(self.option.name.replace("_", " "), classes="field-label", markup=False)
        control = self._control()
        control.tooltip = self.help
        yield control

    def _control(self) -> Widget:
        option = self.option
        if option.kind is bool:
            return Checkbox(value=bool(self.value), compact=True)
        if option.choices:
            return Select(
                [(choice, choice) for choice in option.choices],
                value=self.value,
                allow_blank=False,
                compact=True,
            )
        kind = {int: "integer", float: "number"}.get(option.kind, "text")
        typed: Input = Input(
            _written(self.value),
            # "integer" and "number" refuse keys that cannot be part of one; empty stays possible
            type="text" if option.optional else kind,  # type: ignore[arg-type]
            placeholder="none" if option.optional else "",
            compact=True,
            select_on_focus=True,
            validate_on=(),
        )
        typed.cursor_blink = False
        return typed

    def set_value(self, value: Any) -> None:
        """Show a value that was changed elsewhere."""
        self.value = value
        with self.prevent(Select.Changed, Checkbox.Changed, Input.Changed):
            control = self.children[-1]
            if isinstance(control, Input):
                control.value = _written(value)
            elif isinstance(control, Checkbox | Select):
                control.value = value

    @on(Select.Changed)
    @on(Checkbox.Changed)
    def _chosen(self, event: Select.Changed | Checkbox.Changed) -> None:
        event.stop()
        self._take(event.value)

    @on(Input.Submitted)
    @on(Input.Blurred)
    def _typed(self, event: Input.Submitted | Input.Blurred) -> None:
        event.stop()
        self._take(event.value)

    def _take(self, raw: object) -> None:
        try:
            value = self.option.parse(raw)
        except SpivaeError as error:
            self.add_class("-refused")
            self.post_message(self.Refused(self, str(error)))
            return
        self.remove_class("-refused")
        if value != self.value:
            self.value = value
            self.post_message(self.Changed(self, value))


class FieldGrid(Vertical):
    """Fields side by side, and beneath them what the focused one does."""

    def __init__(self, fields: Iterable[Field], *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._fields = list(fields)

    def compose(self) -> ComposeResult:
        with Widget(classes="field-grid"):
            yield from self._fields
        yield Static(classes="field-help", markup=False)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        field = next((node for node in event.widget.ancestors if isinstance(node, Field)), None)
        if field is not None:
            self.explain(field.help)

    def explain(self, words: str, *, bad: bool = False) -> None:
        """Write in the line beneath the fields."""
        line = self.query_one(".field-help", Static)
        line.set_class(bad, "-bad")
        line.update(words)

    def on_field_refused(self, event: Field.Refused) -> None:
        self.explain(str(event.value), bad=True)


def _written(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
