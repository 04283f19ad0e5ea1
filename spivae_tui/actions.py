"""Every action of the app, declared once: bindings, footer, help and command palette all read it here.

A screen or widget takes its bindings with ``BINDINGS = bindings("browse")`` and implements
``action_NAME`` for each action of that scope. The id of a binding is ``scope.name``.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType

KEY_NAMES = {
    "escape": "esc",
    "enter": "⏎",
    "slash": "/",
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "f1": "F1",
    "f5": "F5",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "comma": ",",
    "full_stop": ".",
    "number_sign": "#",
}


def readable(key: str) -> str:
    """A Textual key name as people write it."""
    return KEY_NAMES.get(key, key.replace("ctrl+", "^"))


@dataclass(frozen=True)
class Action:
    """One thing a user can do: its keys, what it is called, and what it does in a sentence.

    `keys` are Textual key names separated by commas; the key bar shows the first, or `display` where that
    says more. `footer` puts it in the key bar, in the order of declaration. `palette` is off for
    what makes no sense from a list of commands (moving a cursor). With `each_key` the method is called with
    the key that was pressed. Two actions of a scope may share a key when `when` says in which state each of
    them works; the screen's `check_action` keeps to it.
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
    when: str = ""

    @property
    def id(self) -> str:
        return f"{self.scope}.{self.name}"

    @property
    def shown(self) -> str:
        """The key as the key bar shows it."""
        return self.display or readable(self.key_names[0])

    @property
    def key_names(self) -> tuple[str, ...]:
        return tuple(self.keys.split(","))

    def bindings(self) -> list[BindingType]:
        """The Textual bindings of this action: one, or one a key where it wants to know the key."""
        if self.each_key:
            return [self._binding(key, f"{self.name}({key!r})", f"{self.id}.{key}") for key in self.key_names]
        return [self._binding(self.keys, self.name, self.id)]

    def _binding(self, keys: str, action: str, id: str) -> Binding:
        return Binding(
            keys,
            action,
            self.title,
            show=self.footer,
            key_display=self.display or None,
            priority=self.priority,
            tooltip=self.help,
            id=id,
        )


SCOPES = {
    "browse": "Checkpoints and runs",
    "filter": "Filter",
    "tags": "Tags",
    "checkpoint": "Checkpoint",
    "train": "New training",
    "rate": "Learning-rate finder",
    "run": "Live run",
    "compare": "Runs side by side",
    "plugins": "Plugins",
    "list": "Lists",
    "app": "Everywhere",
}


def _read(scope: str) -> tuple[Action, ...]:
    """Reading curves off: see spivae_tui.screens.viewing."""
    return (
        Action(scope, "values", "v", "Values", "Read the curves off at a cursor, or put it away."),
        Action(scope, "no_values", "escape", "Close", "Put the cursor away.", when="reading values"),
        Action(
            scope, "cursor_right", "right", "Cursor", "Move the cursor; shown curves follow.", "←→",
            palette=False, when="reading values",
        ),
        Action(
            scope, "cursor_left", "left", "Cursor back", "Move the cursor back.",
            footer=False, palette=False, when="reading values",
        ),
    )  # fmt: skip


def _zoom(scope: str) -> tuple[Action, ...]:
    """Looking at a part of curves: see spivae_tui.screens.viewing."""
    return (
        Action(scope, "zoom_in", "plus,equals_sign", "Zoom", "Show half as much, around the cursor.", "+-"),
        Action(scope, "zoom_out", "minus", "Zoom out", "Show twice as much.", footer=False),
        Action(scope, "pan_right", "full_stop", "Pan on", "Go on along the axis.", footer=False),
        Action(scope, "pan_left", "comma", "Pan back", "Go back along the axis.", footer=False),
        Action(scope, "whole", "0", "All of it", "Show the whole axis again.", footer=False),
        Action(
            scope, "axes", "a", "Log/linear", "Logarithmic y, linear y, logarithmic x, as usual.",
            footer=False,
        ),
    )  # fmt: skip


def _runs(scope: str, what: str, stop: str = "S", resume: str = "R") -> tuple[Action, ...]:
    """What can be done with runs: see spivae_tui.screens.run_control."""
    return (
        Action(scope, "stop_run", stop, "Stop", f"Ask {what} to save and stop; asks once.", stop),
        Action(scope, "resume_run", resume, "Resume", f"Go on with {what} where it was saved.", resume),
        Action(scope, "confirm_stop", f"{stop},enter", "Stop and save", "Yes, stop it.", stop, when="asked"),
        Action(scope, "go_on", "escape", "Go on", "Let the training go on.", "esc", when="asked"),
        Action(
            scope,
            "resume_slower",
            f"{resume},enter",
            "Go on slower",
            "Go on with a lower learning rate, after the loss has diverged.",
            resume,
            when="diverged",
        ),
        Action(scope, "resume_same", "u", "Same rate", "Go on with the same rate.", when="diverged"),
        Action(scope, "leave_it", "escape", "Cancel", "Leave the run as it is.", "esc", when="diverged"),
    )


def _tags(scope: str, what: str) -> Action:
    return Action(scope, "tag_run", "number_sign", "Tags", f"Put words on {what}, to filter by.", "#")


ACTIONS: tuple[Action, ...] = (
    # Checkpoints and runs
    Action("browse", "open", "enter", "Open", "Open the checkpoint, or follow the run."),
    Action("browse", "clear", "escape", "Clear", "Show everything again; then take off all marks."),
    # before all else, so that what is typed at once after it goes into the filter
    Action(
        "browse",
        "filter",
        "slash",
        "Filter",
        "Show only names, processes, states or #tags with a text.",
        priority=True,
    ),
    Action("browse", "sort", "s", "Sort", "Sort by the next column; a click on a heading does it too."),
    Action("browse", "reverse", "r", "Reverse", "Turn the order round.", footer=False),
    Action("browse", "train", "t,n", "Train", "Start a new training from a recipe."),
    Action("browse", "mark", "space", "Mark", "Mark a run, or take its mark off, and go to the next run."),
    Action("browse", "compare", "c", "Compare", "Compare the marked runs, or all beside this one."),
    *_runs("browse", "this run or the marked ones"),
    _tags("browse", "this run or the marked ones"),
    Action("browse", "copy_path", "y", "Copy path", "Copy the path of the selected entry to the clipboard."),
    Action("browse", "plugins", "p", "Plugins", "List plugins, and what is wrong with them.", footer=False),
    Action("browse", "rescan", "f5,ctrl+r", "Rescan", "Look through the folders again.", footer=False),
    Action("browse", "quit", "q", "Quit", "Leave spivae; trainings go on."),
    # Checkpoint
    Action(
        "checkpoint",
        "show_tab",
        "1,2,3,4,5,6,7,8,9",
        "Tab",
        "Go to a tab by its number.",
        "1-9",
        footer=False,
        palette=False,
        each_key=True,
    ),
    Action("checkpoint", "cancel", "escape", "Cancel", "Stop computing.", when="computing"),
    Action(
        "checkpoint",
        "close_options",
        "escape",
        "Close options",
        "Back to the plot.",
        when="in options",
    ),
    Action("checkpoint", "close_export", "escape", "Close", "Write nothing.", when="exporting"),
    Action("checkpoint", "back", "escape", "Back", "Back to the list.", when="otherwise"),
    Action("checkpoint", "next_tab", "right", "Tab", "Go to the next tab.", "←→"),
    Action("checkpoint", "previous_tab", "left", "Previous tab", "Go to the previous tab.", footer=False),
    Action("checkpoint", "options", "o", "Options", "Show or hide the options of this analysis."),
    Action(
        "checkpoint", "export", "e", "Export", "Write this analysis to a file: a picture, or its numbers."
    ),
    Action("checkpoint", "next_page", "right_square_bracket,pagedown", "More panels", "Page on."),
    Action(
        "checkpoint",
        "previous_page",
        "left_square_bracket,pageup",
        "Previous panels",
        "Page back.",
        footer=False,
    ),
    Action("checkpoint", "compute", "r", "Recompute", "Compute this analysis again, or read the file again."),
    Action("checkpoint", "copy_path", "y", "Copy path", "Copy the path of this checkpoint to the clipboard."),
    # New training
    Action("train", "start", "f2,s", "Start", "Start this training; it goes on when spivae is left.", "F2"),
    Action(
        "train", "where", "f8,h", "Where", "Where it runs: folder, Slurm, processes, threads, device.", "F8"
    ),
    Action("train", "write", "f3,w", "Save recipe", "Write the recipe to a TOML file.", "F3"),
    Action("train", "find_rate", "f4,l", "Find rate", "Find a learning rate for the phase here.", "F4"),
    Action("train", "add_phase", "f6,a", "Add phase", "Add a phase after the one the cursor is in.", "F6"),
    Action("train", "remove_phase", "f7,d", "Remove phase", "Remove the phase the cursor is in.", "F7"),
    Action("train", "leave_field", "escape", "Leave field", "Out of the field.", "esc", when="typing"),
    Action("train", "back", "escape", "Back", "Back, without a training.", "esc", when="otherwise"),
    # Learning-rate finder
    Action("rate", "use_valley", "enter,v", "Use the valley", "Make the suggested rate the phase's lr max."),
    Action("rate", "use_steepest", "s", "Use the steepest", "Make the rate where the loss falls most it."),
    Action("rate", "close", "escape", "Close", "Leave the phase as it is; a sweep at work is stopped."),
    # Live run
    Action(
        "run", "open", "enter,o", "Open checkpoint", "Open the final checkpoint, or the best so far.", "⏎"
    ),
    Action(
        "run",
        "next_page",
        "right_square_bracket,pagedown",
        "More",
        "Page on, to more curves and the parameter cells.",
        "]",
    ),
    *_runs("run", "the training", "s", "r"),
    *_read("run"),
    *_zoom("run"),
    Action(
        "run", "latest", "z", "Latest", "Follow all epochs, the last half, or the last tenth.", footer=False
    ),
    Action("run", "next_tab", "right", "Tab", "Go on to curves, epochs, log.", "←→", when="otherwise"),
    Action("run", "train", "t", "Train again", "Edit this recipe and start another training."),
    _tags("run", "the training"),
    Action("run", "units", "x", "Steps/epochs", "Draw along steps (batches), or along epochs."),
    Action(
        "run",
        "previous_page",
        "left_square_bracket,pageup",
        "Previous curves",
        "Page back.",
        "[",
        footer=False,
    ),
    Action(
        "run", "previous_tab", "left", "Previous tab", "Go back a tab.", "←", footer=False, when="otherwise"
    ),
    Action(
        "run",
        "show_tab",
        "1,2,3",
        "Tab",
        "Curves, epochs, log.",
        "1-3",
        footer=False,
        palette=False,
        each_key=True,
    ),
    Action("run", "show_log", "l", "Log", "Show what the trainer wrote, or the curves again.", footer=False),
    Action("run", "copy_path", "y", "Copy path", "Copy the path of this run to the clipboard.", footer=False),
    Action("run", "back", "escape", "Back", "Leave; the training goes on.", "esc", when="otherwise"),
    # Runs side by side
    Action("compare", "open", "enter,o", "Open", "Follow the run: its curves, stop, resume.", "⏎"),
    Action(
        "compare", "differences", "d", "Differences", "All fields in which the runs differ, or the curves."
    ),
    Action("compare", "sort", "s", "Sort", "Sort by the next column; a click on a heading does it too."),
    Action("compare", "reverse", "r", "Reverse", "Turn the order round.", footer=False),
    Action("compare", "along", "x", "Axis", "Draw along epochs, steps, or time of training."),
    *_read("compare"),
    Action("compare", "next_page", "right_square_bracket", "More", "Page on, to more curves.", "]"),
    *_zoom("compare"),
    *_runs("compare", "this run"),
    _tags("compare", "this run"),
    Action(
        "compare",
        "next_runs",
        "right",
        "More runs",
        "On to the next runs.",
        "←→",
        palette=False,
        when="differences",
    ),
    Action(
        "compare",
        "previous_runs",
        "left",
        "Runs before",
        "Back to the runs before.",
        footer=False,
        palette=False,
        when="differences",
    ),
    Action("compare", "no_differences", "escape", "Close", "Back to the curves.", when="differences"),
    Action(
        "compare",
        "previous_page",
        "left_square_bracket",
        "Previous curves",
        "Page back.",
        "[",
        footer=False,
    ),
    Action(
        "compare", "copy_path", "y", "Copy path", "Copy the path of the run to the clipboard.", footer=False
    ),
    Action(
        "compare", "back", "escape", "Back", "Back to the list; trainings go on.", "esc", when="otherwise"
    ),
    # Plugins
    Action("plugins", "read_on", "right_square_bracket", "Read on", "Page on in what is told of it.", "]"),
    Action("plugins", "read_back", "left_square_bracket", "Read back", "Page back.", "[", footer=False),
    Action("plugins", "switch", "space", "Off/on", "Switch it off, or on again, from the next start on."),
    Action("plugins", "copy_traceback", "y", "Copy traceback", "Copy the traceback of a broken one."),
    Action("plugins", "back", "escape", "Back", "Back to the list."),
    # While a filter is typed; the arrows move the list
    Action("filter", "submit", "enter", "To the list", "Keep the filter and go to the list.", palette=False),
    Action("filter", "move(-1)", "up", "Up", "One row up.", footer=False, palette=False),
    Action("filter", "move(1)", "down", "Down", "One row down.", footer=False, palette=False),
    Action("filter", "move(-10)", "pageup", "Page up", "Ten rows up.", footer=False, palette=False),
    Action("filter", "move(10)", "pagedown", "Page down", "Ten rows down.", footer=False, palette=False),
    # While tags are typed
    Action(
        "tags", "submit", "enter", "Save tags", "Put these words on the run, and no others.", palette=False
    ),
    Action("tags", "leave", "escape", "Leave", "Leave the tags as they were.", palette=False),
    # Lists
    Action("list", "up", "up,k", "Up", "One row up.", footer=False, palette=False),
    Action("list", "down", "down,j", "Down", "One row down.", footer=False, palette=False),
    Action("list", "page_up", "pageup", "Page up", "One page up.", footer=False, palette=False),
    Action("list", "page_down", "pagedown", "Page down", "One page down.", footer=False, palette=False),
    Action("list", "first", "home,g", "First", "To the first row.", footer=False, palette=False),
    Action("list", "last", "end", "Last", "To the last row.", footer=False, palette=False),
    # Everywhere
    Action("app", "help", "question_mark,f1", "Help", "Show the keys of this screen."),
    Action("app", "command_palette", "ctrl+p", "Commands", "Find any command by its name.", palette=False),
    Action(
        "app",
        "next_theme",
        "ctrl+t",
        "Next theme",
        "Dark, light, or the terminal's own 16 colours.",
        footer=False,
    ),
    Action(
        "app", "next_glyphs", "ctrl+g", "Plot glyphs", "Draw plots in braille, blocks or ASCII.", footer=False
    ),
    Action(
        "app",
        "leave",
        "ctrl+q",
        "Quit",
        "Leave spivae from any screen; trainings go on.",
        footer=False,
        priority=True,
    ),
)


def in_scope(scope: str) -> tuple[Action, ...]:
    """The actions of one scope, in order."""
    return tuple(action for action in ACTIONS if action.scope == scope)


def bindings(scope: str) -> list[BindingType]:
    """The bindings of one scope, for a screen's or a widget's BINDINGS."""
    return [binding for action in in_scope(scope) for binding in action.bindings()]
