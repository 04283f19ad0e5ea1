"""Stopping, resuming and tagging runs from a screen; declared as `_runs` in spivae_tui.actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from textual import on, work
from textual.widget import Widget

from spivae import wording
from spivae.errors import SpivaeError
from spivae_tui.actions import in_scope
from spivae_tui.screens.base import SpivaeScreen
from spivae_tui.widgets.run_line import RunLine

GOING = ("queued", "running")
RESUMABLE = ("stopped", "failed", "lost")
SLOWER = 0.3  # times the learning rate, for runs that have diverged


class Chosen(NamedTuple):
    """A run that something is to be done with."""

    path: str
    name: str
    state: str
    diverged: bool = False


class RunControlScreen(SpivaeScreen):
    """A screen with runs. A subclass gives `chosen_runs`, and looks at them again in `runs_changed`.

    Everything that touches a run's files happens in a thread: a slow disk never holds the app up.
    """

    _asked: tuple[Chosen, ...] = ()
    _question: Literal["stop", "resume"] = "stop"
    _tagged: tuple[Chosen, ...] = ()
    _common: tuple[str, ...] = ()
    _doing = False

    def compose_line(self) -> Iterable[Widget]:
        """The line of questions and tags, for the end of the body."""
        yield RunLine(id="run-line")

    @property
    def run_line(self) -> RunLine:
        return self.query_one("#run-line", RunLine)

    def chosen_runs(self) -> Sequence[Chosen]:
        """The runs that a key means now."""
        raise NotImplementedError

    def runs_changed(self) -> None:
        """Look at the runs again: something was done with them."""
        raise NotImplementedError

    def may_control(self, action: str) -> bool | None:
        """Whether an action of these is possible now; None for one that is none of these."""
        if action in ("confirm_stop", "go_on"):
            return bool(self._asked) and self._question == "stop"
        if action in ("resume_slower", "resume_same", "leave_it"):
            return bool(self._asked) and self._question == "resume"
        if action == "stop_run":
            return not (self._asked or self._doing) and any(run.state in GOING for run in self.chosen_runs())
        if action == "resume_run":
            return not (self._asked or self._doing) and any(
                run.state in RESUMABLE for run in self.chosen_runs()
            )
        if action == "tag_run":
            return bool(self.chosen_runs())
        return None

    # Stop and resume

    def action_stop_run(self) -> None:
        self._ask("stop", [run for run in self.chosen_runs() if run.state in GOING])
        self.run_line.ask(
            f"Save and stop {_names(self._asked)}?  {self._key('confirm_stop')} stops · esc lets it go on"
        )

    def _ask(self, question: Literal["stop", "resume"], runs: Sequence[Chosen]) -> None:
        self._question, self._asked = question, tuple(runs)
        self.refresh_bindings()

    def _key(self, name: str) -> str:
        [key] = [action.shown for action in in_scope(self.SCOPE) if action.name == name]
        return key

    def _close_line(self) -> None:
        self._asked = self._tagged = ()
        self.run_line.close()
        self.refresh_bindings()

    def action_go_on(self) -> None:
        self._close_line()

    def action_leave_it(self) -> None:
        self._close_line()

    def action_confirm_stop(self) -> None:
        runs = self._asked
        self._close_line()
        self._begin(runs, self._stop, "Not stopped")

    def _stop(self, run: Chosen) -> str:
        at_once = self.spivae.services.stop(run.path) == "stopped"  # it waited, and no trainer had it
        return "is stopped" if at_once else "saves and ends at its next step"

    def action_resume_run(self) -> None:
        runs = [run for run in self.chosen_runs() if run.state in RESUMABLE]
        diverged = [run for run in runs if run.diverged]
        if not diverged:
            self._begin(runs, self._resume, "Not resumed")
            return
        self._ask("resume", runs)
        self.run_line.ask(
            f"{_names(diverged)} diverged.  {self._key('resume_slower')} goes on at {SLOWER:g} of the "
            f"learning rate · {self._key('resume_same')} at the same · esc leaves it"
        )

    def action_resume_slower(self) -> None:
        self._answer_resume(self._resume_slower)

    def action_resume_same(self) -> None:
        self._answer_resume(self._resume)

    def _answer_resume(self, act: Callable[[Chosen], str]) -> None:
        runs = self._asked
        self._close_line()
        self._begin(runs, act, "Not resumed")

    def _resume(self, run: Chosen) -> str:
        self.spivae.services.resume(run.path)
        return "goes on"

    def _resume_slower(self, run: Chosen) -> str:
        if not run.diverged:
            return self._resume(run)
        self.spivae.services.resume(run.path, SLOWER)
        return f"goes on at {SLOWER:g} of its learning rate"

    def _begin(self, runs: Sequence[Chosen], act: Callable[[Chosen], str], not_done: str) -> None:
        self._doing = True  # a key that is pressed twice does it once
        self.refresh_bindings()
        self._do(runs, act, not_done)

    def _done(self) -> None:
        self._doing = False
        self.refresh_bindings()
        self.runs_changed()

    @work(thread=True, group="control", exit_on_error=False)
    def _do(self, runs: Sequence[Chosen], act: Callable[[Chosen], str], not_done: str) -> None:
        """Do something with each run, and say what came of it."""
        did: dict[str, list[Chosen]] = {}
        for run in runs:
            try:
                did.setdefault(act(run), []).append(run)
            except (SpivaeError, OSError) as error:
                self.app.call_from_thread(self._say, str(error), not_done, "error")
        for outcome, done in did.items():
            self.app.call_from_thread(self._say, f"{_names(done)} {outcome}.", "", "information")
        self.from_thread(self._done)

    def _say(self, words: str, title: str, severity: str) -> None:
        self.app.notify(words, title=title, severity=severity, markup=False)  # type: ignore[arg-type]

    # Tags

    @work(thread=True, group="control", exit_on_error=False)
    def _read_tags(self, runs: tuple[Chosen, ...]) -> None:
        """Read the tags of runs, then let those be changed that all of them have."""
        found = [self.spivae.services.read_tags(run.path) for run in runs]
        common = [word for word in found[0] if all(word in words for words in found)]
        self.from_thread(self._edit_tags, runs, common)

    def _edit_tags(self, runs: tuple[Chosen, ...], common: list[str]) -> None:
        self._asked, self._tagged, self._common = (), runs, tuple(common)
        self.run_line.edit(f"tags of {_names(runs)}  #", common)

    def action_tag_run(self) -> None:
        self._read_tags(tuple(self.chosen_runs()))

    @on(RunLine.Tagged)
    def _tags_typed(self, event: RunLine.Tagged) -> None:
        self._write_tags(self._tagged, set(self._common), event.words)

    @work(thread=True, group="control", exit_on_error=False)
    def _write_tags(self, runs: Sequence[Chosen], before: set[str], words: list[str]) -> None:
        services = self.spivae.services
        try:
            for run in runs:
                kept = [word for word in services.read_tags(run.path) if word not in before]
                services.write_tags(run.path, [*kept, *words])
        except (SpivaeError, OSError) as error:  # the field stays open, to put it right
            self.app.call_from_thread(self._say, str(error), "Not tagged", "error")
            return
        self.from_thread(self._leave_tags)
        self.from_thread(self.runs_changed)

    @on(RunLine.Left)
    def _leave_tags(self) -> None:
        self._close_line()
        if self.AUTO_FOCUS:
            self.query_one(self.AUTO_FOCUS).focus()
        else:
            self.set_focus(None)


def _names(runs: Sequence[Chosen]) -> str:
    return runs[0].name if len(runs) == 1 else wording.plural(len(runs), "run")
