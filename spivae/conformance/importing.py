"""Checks of a plugin as a whole: what loading it does to the program that it is loaded into.

It is loaded in a process of its own, so that nothing of the program itself is taken for the plugin's doing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from spivae.conformance.checking import Broken, Check, require

HEAVY = ("torch", "textual", "plotext", "matplotlib", "scipy", "pandas")
SLOW = 0.3  # seconds that loading one plugin may take
_WATCH = """
import contextlib, io, json, sys, time
from spivae import api, plugins
heavy, folders = json.loads(sys.argv[1])
said, found = io.StringIO(), {}

class Watching(plugins.Plugins):
    def load(self, name, *rest):
        known, heard, begin = set(sys.modules), len(said.getvalue()), time.perf_counter()
        super().load(name, *rest)
        found[name] = {
            "seconds": time.perf_counter() - begin,
            "heavy": [module for module in heavy if module in sys.modules and module not in known],
            "said": said.getvalue()[heard:],
            "error": self.infos[-1].error,
        }

with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
    plugins.load_plugins(folders, Watching())
print(json.dumps(found))
"""


@cache
def _watched(folders: tuple[str, ...]) -> dict[str, Any]:
    """What loading each plugin did, by its name."""
    command = [sys.executable, "-c", _WATCH, json.dumps([HEAVY, folders])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise Broken(f"a process that loads all plugins ended with {done.returncode}: {done.stderr[-200:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def loads(did: dict[str, Any]) -> str:
    require(did["error"] is None, str(did["error"]))
    return ""


def nothing_printed(did: dict[str, Any]) -> str:
    require(not did["said"], f"prints {did['said'][:60]!r} when it is loaded")
    return ""


def light_import(did: dict[str, Any]) -> str:
    require(not did["heavy"], f"imports {', '.join(did['heavy'])}: import it in the method that needs it")
    return ""


def quick_import(did: dict[str, Any]) -> str:
    require(did["seconds"] < SLOW, f"takes {did['seconds']:.2f} s to load")
    return f"{1e3 * did['seconds']:.1f} ms"


CHECKS: dict[str, Callable[[dict[str, Any]], str]] = {
    "loads": loads,
    "nothing printed on import": nothing_printed,
    "light import": light_import,
    "quick import": quick_import,
}
ADVISORY = {"quick import"}


def checks_of_import(name: str, folders: tuple[str, ...] = ()) -> Iterator[Check]:
    """The checks of loading the plugin of this name, which is found in `folders` too."""

    def run(look: Callable[[dict[str, Any]], str]) -> str:
        return look(_watched(folders)[name])

    for check, look in CHECKS.items():
        yield Check(f"plugin {name}", check, partial(run, look), advisory=check in ADVISORY)
