"""Starting and ending: what is imported, what is sent, how it leaves."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from terminal import Terminal

from spivae_tui import main, plain, themes

DATA = str(Path(__file__).parent.parent / "data")


def _python(code: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_first_frame_waits_for_neither_numpy_nor_plotext_nor_torch() -> None:
    heavy = _python("""
        import sys
        from spivae_tui.app import SpivaeApp
        SpivaeApp().get_default_screen()
        print(sorted({"numpy", "plotext", "torch", "safetensors", "pluggy"} & set(sys.modules)))
    """)
    assert heavy == "[]"


def test_browsing_and_looking_at_a_checkpoint_never_import_torch() -> None:
    heavy = _python(
        """
        import asyncio, sys
        from pathlib import Path
        from spivae_tui.app import SpivaeApp
        from spivae_tui.services import Services

        class Idle:
            def submit(self, *_): return 0
            def cancel(self, _): pass
            def close(self): pass

        async def look():
            app = SpivaeApp([Path("tests/data")], services=Services(worker=Idle))
            async with app.run_test(size=(120, 36)) as pilot:
                for _ in range(1000):
                    await pilot.pause(0.02)
                    if len(app.screen.entries.rows) >= 4: break
                else:
                    raise SystemExit("nothing was listed")
                await pilot.press("enter")
                for _ in range(1000):
                    await pilot.pause(0.02)
                    if getattr(app.screen, "analyses", None): break
                else:
                    raise SystemExit("no analyses came")
                await pilot.press("3")
                await pilot.pause(0.2)

        asyncio.run(look())
        print("torch" in sys.modules)
        """.replace('Path("tests/data")', f"Path({DATA!r})")
    )
    assert heavy == "False"


def test_over_ssh_frames_are_fewer_and_nothing_is_animated() -> None:
    code = """
        import os
        import textual.app
        from spivae_tui import app, main
        class Fake:
            return_code = 3
            def __init__(self, *_, **__): pass
            def run(self, mouse):
                print(*map(os.environ.get, ("TEXTUAL_FPS", "TEXTUAL_ANIMATIONS")), mouse)
        app.SpivaeApp = Fake
        print(main.run([], mouse=False))
    """
    assert _python(code, SSH_CONNECTION="1 2 3 4").split() == ["15", "none", "False", "3"]
    assert _python(code, SSH_CONNECTION="").split() == ["None", "None", "False", "3"]


def test_the_environment_is_set_before_textual_is_imported() -> None:
    code = "import sys; import spivae_tui.main; print('textual' in sys.modules)"
    assert _python(code) == "False"
    assert set(main.OVER_SSH) == {"TEXTUAL_FPS", "TEXTUAL_ANIMATIONS", "TEXTUAL_SMOOTH_SCROLL"}


@pytest.mark.parametrize(
    ("environ", "theme"),
    [
        ({"TERM": "xterm-256color"}, "spivae-dark"),
        ({"TERM": "xterm-256color", "COLORFGBG": "0;15"}, "spivae-light"),
        ({"TERM": "linux"}, "ansi-dark"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "spivae-dark"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "ansi-dark"),
    ],
)
def test_the_theme_suits_the_terminal(environ: dict[str, str], theme: str) -> None:
    assert themes.choose(environ) == theme


@pytest.mark.parametrize("theme", themes.THEMES)
def test_every_theme_defines_every_token(theme: str) -> None:
    assert set(themes.TOKENS) <= set(themes.THEMES[theme].variables)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal here")
def test_nothing_is_sent_while_nothing_changes_and_a_hang_up_ends_it_cleanly() -> None:
    terminal = Terminal(DATA)
    terminal.read_until(b"sbm_trained")
    terminal.read_until_quiet(1.5)
    assert terminal.read_for(4) == b""
    os.kill(terminal.pid, signal.SIGHUP)
    assert terminal.wait() == 0


def test_no_color_means_no_colour_at_all() -> None:
    terminal = Terminal(DATA, NO_COLOR="1")
    sent = terminal.read_until(b"sbm_trained") + terminal.read_until_quiet(0.5)
    os.write(terminal.descriptor, b"q")
    assert terminal.wait() == 0
    colours = {
        code
        for codes in re.findall(rb"\x1b\[([0-9;]*)m", sent)
        for code in re.sub(rb"\b[34]8;[25](;\d+)+", b"colour", codes).split(b";")
    }
    assert colours <= {b"", b"0", b"1", b"2", b"3", b"4", b"7", b"39", b"49"}


def test_a_terminal_without_unicode_gets_ascii_of_the_same_width() -> None:
    terminal = Terminal(DATA, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", TEXTUAL_COLOR_SYSTEM="256")
    sent = terminal.read_until(b"sbm_trained") + terminal.read_until_quiet(0.5)
    os.write(terminal.descriptor, b"q")
    assert terminal.wait() == 0
    assert sent.isascii()
    assert rb"\u" not in sent


def test_ascii_stands_in_cell_by_cell() -> None:
    assert plain.ascii_only("▶ spivae › β 5e-3 × 日") == "> spivae > ? 5e-3 x ??"
