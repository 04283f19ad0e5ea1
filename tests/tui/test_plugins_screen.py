"""The plugins' screen: broken ones first, with their traceback; switching off and on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fakes
import pytest
from textual.pilot import Pilot

from spivae.errors import WorkFailed
from spivae.plugins import PluginInfo
from spivae_tui.app import SpivaeApp

TRACEBACK = """\
Traceback (most recent call last):
  File "/home/ada/.config/spivae/plugins/levy.py", line 12, in register_processes
    register(Levy)
TypeError: register() takes an instance of Process, not <class 'Levy'>
"""
INFOS = [
    PluginInfo("sbm", "0.1.0", "bundled", hooks=["register_processes"], provides=["process sbm"]),
    PluginInfo("loss_map", "0.1.0", "bundled", hooks=["register_analyses"], provides=["analysis loss"]),
    PluginInfo("gbm", "1.2.0", "spivae-gbm", status="disabled"),
    PluginInfo(
        "levy",
        "",
        "/home/ada/.config/spivae/plugins/levy.py",
        status="error",
        error="TypeError: register() takes an instance of Process, not <class 'Levy'>",
        traceback=TRACEBACK,
        hooks=["register_processes"],
    ),
]
Compare = Any


class Found(fakes.FakePlugins):
    infos = INFOS


async def opened(pilot: Pilot[Any]) -> None:
    await fakes.until(pilot, lambda: not pilot.app.screen.busy)  # type: ignore[attr-defined]
    await pilot.press("p")
    await fakes.until(pilot, lambda: getattr(pilot.app.screen, "SCOPE", "") == "plugins")
    await fakes.until(pilot, lambda: pilot.app.screen.plugins.rows)  # type: ignore[attr-defined]


def told(app: SpivaeApp) -> str:
    return str(app.screen.query_one("#plugin-text").render())  # type: ignore[attr-defined]


async def test_broken_plugins_come_first_with_their_traceback() -> None:
    app = fakes.app(plugins=Found)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot)
        names = [info.name for info in app.screen.plugins.rows]  # type: ignore[attr-defined]
        assert names == ["levy", "sbm", "loss_map", "gbm"]
        assert "line 12, in register_processes" in told(app)
        await pilot.press("y")
        assert app.clipboard == TRACEBACK
        await pilot.press("down")
        await pilot.pause()
        assert "process sbm" in told(app)
        await pilot.press("end")
        await pilot.pause()
        assert "was not imported" in told(app)
        await pilot.press("escape")
        assert app.screen.SCOPE == "browse"  # type: ignore[attr-defined]


@pytest.mark.parametrize("answer", [True, False])
async def test_a_plugin_is_switched_and_that_is_told(answer: bool) -> None:
    asked: list[str] = []

    def switch(name: str) -> bool:
        asked.append(name)
        return answer

    app = fakes.app(plugins=Found, switch_plugin=switch)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot)
        await pilot.press("space")
        await pilot.pause()
        assert asked == ["levy"]
        (said,) = [note.message for note in app._notifications]
        assert said == f"levy is {'on' if answer else 'off'} from the next start of spivae on."


async def test_a_switch_that_fails_is_told() -> None:
    def switch(name: str) -> bool:
        raise WorkFailed("disabled-plugins: cannot be written (read-only)")

    app = fakes.app(plugins=Found, switch_plugin=switch)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("space")
        await pilot.pause()
        assert "cannot be written" in next(iter(app._notifications)).message


async def test_plugins_that_cannot_be_loaded_are_told_of() -> None:
    def broken() -> Any:
        raise WorkFailed("config.toml: is no TOML")

    app = fakes.app(plugins=broken)
    async with app.run_test(size=(80, 24)) as pilot:
        await fakes.until(pilot, lambda: not app.screen.busy)  # type: ignore[attr-defined]
        await pilot.press("p")
        await fakes.until(pilot, lambda: app.screen.query("#plugin-text") and "is no TOML" in told(app))


async def test_broken_plugins_are_told_of_once_where_analyses_are_shown() -> None:
    app = fakes.app(plugins=Found)
    async with app.run_test(size=(120, 36)) as pilot:
        await fakes.until(pilot, lambda: not app.screen.busy)  # type: ignore[attr-defined]
        for _ in range(2):
            await pilot.press("end", "enter")
            await fakes.until(pilot, lambda: getattr(app.screen, "analyses", None))
            await pilot.press("escape")
            await pilot.pause()
        said = [note.message for note in app._notifications]
        assert said == ["levy: p in the list of checkpoints tells more."]


def test_the_services_switch_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from spivae import plugin_settings
    from spivae_tui.services import Services

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert [Services().switch_plugin("sbm") for _ in range(3)] == [False, True, False]
    assert plugin_settings.disabled() == {"sbm"}


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_plugins(snap_compare: Compare, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    assert snap_compare(fakes.app(plugins=Found), terminal_size=size, run_before=opened)
