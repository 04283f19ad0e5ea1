"""The registry of actions is whole, and what it says is what happens."""

from collections import Counter

import fakes
import pytest
from textual.content import Content

from spivae_tui.actions import ACTIONS, SCOPES, in_scope, readable
from spivae_tui.app import SpivaeApp
from spivae_tui.screens.browse import BrowseScreen
from spivae_tui.screens.checkpoint import CheckpointScreen
from spivae_tui.screens.compare import CompareScreen
from spivae_tui.screens.find_rate import FindRateScreen
from spivae_tui.screens.help import _lines
from spivae_tui.screens.live import LiveRunScreen
from spivae_tui.screens.plugins import PluginsScreen
from spivae_tui.screens.train import TrainScreen
from spivae_tui.widgets.filter_bar import FilterInput
from spivae_tui.widgets.row_list import RowList
from spivae_tui.widgets.run_line import TagInput

OWNERS = {
    "browse": BrowseScreen,
    "checkpoint": CheckpointScreen,
    "train": TrainScreen,
    "rate": FindRateScreen,
    "run": LiveRunScreen,
    "compare": CompareScreen,
    "plugins": PluginsScreen,
    "list": RowList,
    "filter": FilterInput,
    "tags": TagInput,
    "app": SpivaeApp,
}


def test_every_action_has_a_key_a_title_and_a_help() -> None:
    for action in ACTIONS:
        assert action.scope in SCOPES
        assert all(action.key_names), action.id
        assert action.title, action.id
        assert action.help.endswith("."), action.id


def test_a_key_does_one_thing_in_a_scope() -> None:
    for scope in SCOPES:
        keys = Counter((key, action.when) for action in in_scope(scope) for key in action.key_names)
        assert max(keys.values(), default=1) == 1, scope


def test_keys_that_multiplexers_and_terminals_take_are_left_alone() -> None:
    keys = {key for action in ACTIONS for key in action.key_names}
    assert not keys & {"ctrl+a", "ctrl+b", "ctrl+s", "ctrl+z"}
    assert not any("shift+" in key or "alt+" in key for key in keys)


def test_ids_are_unique() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)


def test_every_scope_has_an_owner() -> None:
    assert set(OWNERS) == set(SCOPES)


@pytest.mark.parametrize("scope", OWNERS)
def test_every_action_is_implemented_where_its_scope_says(scope: str) -> None:
    for action in in_scope(scope):
        method = f"action_{action.name.partition('(')[0]}"
        assert hasattr(OWNERS[scope], method), f"{OWNERS[scope].__name__}.{method}"


async def test_help_names_every_action_of_the_screen() -> None:
    app = fakes.app()
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause(0.2)
        shown = str(app.screen.query_one("#help-text").render())
        for action in (*in_scope("browse"), *in_scope("list"), *in_scope("app")):
            assert action.title in shown
        await pilot.press("escape")
        assert isinstance(app.screen, BrowseScreen)


@pytest.mark.parametrize("scope", SCOPES)
def test_brackets_among_the_keys_of_help_are_no_markup(scope: str) -> None:
    for action in in_scope(scope):
        first, *_ = _lines(action, 80)
        shown = Content.from_markup(first).plain
        assert "[/]" not in shown
        assert shown.startswith(action.display if action.each_key else readable(action.key_names[0]))


async def test_the_palette_offers_every_action_of_the_screen_and_the_themes() -> None:
    from spivae_tui.commands import Commands

    app = fakes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.2)
        titles = [hit.text or "" async for hit in Commands(app.screen).discover()]  # type: ignore[attr-defined]
        for action in (*in_scope("browse"), *in_scope("app")):
            if action.palette:
                assert any(title.startswith(action.title) for title in titles), action.id
        assert sum(title.startswith("Theme:") for title in titles) == 4


async def test_a_command_of_the_palette_runs() -> None:
    app = fakes.app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("ctrl+p")
        await pilot.pause(0.3)
        await pilot.press(*"light", "enter")
        await pilot.pause(0.5)
        assert app.theme in {"spivae-light", "ansi-light"}
