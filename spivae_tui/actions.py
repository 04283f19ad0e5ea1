"""Every action of the app, declared once: bindings, footer, help and command palette all read it here.

A screen or widget takes its bindings with ``BINDINGS = bindings("browse")`` and implements
``action_NAME`` for each action of that scope. The id of a binding is ``scope.name``.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True)
class Action:
    """One thing a user can do: its keys, what it is called, and what it does in a sentence.

    `keys` are Textual key names separated by commas; the first is the one that is shown, as `display` where
    that reads better. `footer` puts it in the key bar, in the order of declaration. `palette` is off for
    what makes no sense from a list of commands (moving a cursor). With `each_key` the method is called with
    the key that was pressed.
    """

    scope: str
    name: str
    keys: str
    title: str
    help: str
    display: str = ""
    footer: bool = True
    palette: bool = True
    priority: bool = False
    each_key: bool = False

    @property
    def id(self) -> str:
        return f"{self.scope}.{self.name}"

    @property
    def key_names(self) -> tuple[str, ...]:
        return tuple(self.keys.split(","))

    def bindings(self) -> list[BindingType]:
        """The Textual bindings of this action: one, or one a key where it wants to know the key."""
        shared = {
            "description": self.title,
            "show": self.footer,
            "key_display": self.display or None,
            "priority": self.priority,
            "tooltip": self.help,
        }
        if self.each_key:
            return [Binding(key, f"{self.name}({key!r})", id=f"{self.id}.{key}", **shared) for key in self.key_names]
        return [Binding(self.keys, self.name, id=self.id, **shared)]


SCOPES = {
    "browse": "Checkpoints and runs",
    "checkpoint": "Checkpoint",
    "train": "New training",
    "run": "Live run",
    "list": "Lists",
    "app": "Everywhere",
}

ACTIONS: tuple[Action, ...] = (
    # Checkpoints and runs
    Action("browse", "open", "enter", "Open", "Open the checkpoint, or follow the run.", display="⏎"),
    Action("browse", "filter", "slash", "Filter", "Show only names, processes or kinds that contain a text.", "/"),
    Action("browse", "sort", "s", "Sort", "Sort by the next column; a click on a heading does it too."),
    Action("browse", "reverse", "r", "Reverse", "Turn the order round."),
    Action("browse", "train", "t,n", "Train", "Start a new training from a recipe."),
    Action("browse", "copy_path", "y", "Copy path", "Copy the path of the selected entry to the clipboard."),
    Action("browse", "rescan", "f5,ctrl+r", "Rescan", "Look through the folders again.", "F5", footer=False),
    Action("browse", "clear", "escape", "Clear filter", "Show everything again.", "esc", footer=False),
    Action("browse", "quit", "q", "Quit", "Leave spivae; trainings go on."),
    # Checkpoint
    Action("checkpoint", "show_tab", "1,2,3,4,5,6,7,8,9", "Tab", "Go to a tab by its number.", "1-9", footer=False,
           palette=False, each_key=True),
    Action("checkpoint", "next_tab", "right", "Next tab", "Go to the next tab.", "→", footer=False),
    Action("checkpoint", "previous_tab", "left", "Previous tab", "Go to the previous tab.", "←", footer=False),
    Action("checkpoint", "back", "escape", "Back", "Cancel what runs; when nothing does, go back.", "esc"),
    Action("checkpoint", "options", "o", "Options", "Show or hide the options of this analysis."),
    Action("checkpoint", "next_page", "right_square_bracket,pagedown", "Next panels", "Page on.", "]"),
    Action("checkpoint", "previous_page", "left_square_bracket,pageup", "Previous panels", "Page back.", "["),
    Action("checkpoint", "compute", "r", "Recompute", "Compute this analysis again, with the options as they are."),
    Action("checkpoint", "copy_path", "y", "Copy path", "Copy the path of this checkpoint to the clipboard."),
    # Lists
    Action("list", "up", "up,k", "Up", "One row up.", "↑", footer=False, palette=False),
    Action("list", "down", "down,j", "Down", "One row down.", "↓", footer=False, palette=False),
    Action("list", "page_up", "pageup", "Page up", "One page up.", "pgup", footer=False, palette=False),
    Action("list", "page_down", "pagedown", "Page down", "One page down.", "pgdn", footer=False, palette=False),
    Action("list", "first", "home,g", "First", "To the first row.", "home", footer=False, palette=False),
    Action("list", "last", "end", "Last", "To the last row.", "end", footer=False, palette=False),
    # Everywhere
    Action("app", "help", "question_mark,f1", "Help", "Show the keys of this screen.", "?"),
    Action("app", "command_palette", "ctrl+p", "Commands", "Find any command by its name.", "^p", palette=False),
    Action("app", "next_theme", "ctrl+t", "Next theme", "Dark, light, or the terminal's own 16 colours.", footer=False),
    Action("app", "next_glyphs", "ctrl+g", "Plot glyphs", "Draw plots in braille, blocks or ASCII.", footer=False),
    Action("app", "leave", "ctrl+q", "Quit", "Leave spivae from any screen; trainings go on.", "^q", footer=False,
           priority=True),
)  # fmt: skip


def in_scope(scope: str) -> tuple[Action, ...]:
    """The actions of one scope, in order."""
    return tuple(action for action in ACTIONS if action.scope == scope)


def bindings(scope: str) -> list[BindingType]:
    """The bindings of one scope, for a screen's or a widget's BINDINGS."""
    return [binding for action in in_scope(scope) for binding in action.bindings()]
