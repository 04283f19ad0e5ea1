"""Finding plugins and collecting what they register. One that is broken is reported, and the rest go on."""

from __future__ import annotations

import difflib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

import pluggy

from spivae import __version__, hookspecs
from spivae.analysis import Analysis, declared_options
from spivae.checkpoint.structs import Checkpoint
from spivae.errors import SpivaeError
from spivae.process import Process

GROUP = "spivae"
ENVIRONMENT = "SPIVAE_PLUGINS"
_BUNDLED = "spivae_plugins."

T = TypeVar("T", Process, Analysis)
Item = TypeVar("Item")


@dataclass
class PluginInfo:
    """One plugin, and how loading it went."""

    name: str
    version: str = ""
    source: str = ""
    status: Literal["ok", "error", "disabled"] = "ok"
    error: str | None = None
    hooks: list[str] = field(default_factory=list)
    provides: list[str] = field(default_factory=list)


class _Manager(pluggy.PluginManager):
    """pluggy in less time: it looks at every name of a module, several times and with `inspect`."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> pluggy.HookimplOpts | None:
        if isinstance(plugin, ModuleType) and not hasattr(vars(plugin).get(name), f"{GROUP}_impl"):
            return None
        return super().parse_hookimpl_opts(plugin, name)


class Plugins:
    """All plugins that were found, and the processes and analyses that they registered."""

    def __init__(self) -> None:
        self.manager = _Manager(GROUP)
        self.manager.add_hookspecs(hookspecs)
        self.infos: list[PluginInfo] = []
        self.processes: dict[str, Process] = {}
        self.analyses: dict[str, Analysis] = {}

    def process(self, name: str) -> Process:
        """The process of this name. Raises SpivaeError that tells the near ones."""
        return _named(self.processes, name, "process")

    def analysis(self, name: str) -> Analysis:
        """The analysis of this name. Raises SpivaeError that tells the near ones."""
        return _named(self.analyses, name, "analysis")

    def info(self, name: str) -> PluginInfo:
        """The plugin of this name, however it went. Raises SpivaeError that tells the near ones."""
        return _named({info.name: info for info in reversed(self.infos)}, name, "plugin")

    def load(self, name: str, source: str, version: str, find: Callable[[], Any]) -> None:
        """Import one plugin, check its hooks and let it register; whatever it does wrong stays with it."""
        info = PluginInfo(name, version, source)
        self.infos.append(info)
        if self.manager.has_plugin(name):
            info.status, info.error = "error", f"the name {name!r} is taken by another plugin"
            return
        try:
            module = find()
            self.manager.register(module, name)
            self._check_hooks(name)
            self._collect(module, info)
        # A plugin is somebody else's code: whatever it raises is its own failure, shown with its name.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            info.status, info.error = "error", f"{type(error).__name__}: {error}"
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)

    def _check_hooks(self, name: str) -> None:
        known = {
            attribute
            for attribute in vars(hookspecs)
            if hasattr(getattr(hookspecs, attribute), "spivae_spec")
        }
        plugin = self.manager.get_plugin(name)
        for attribute in dir(plugin):
            if self.manager.parse_hookimpl_opts(plugin, attribute) and attribute not in known:
                near = difflib.get_close_matches(attribute, known, 1)
                raise SpivaeError(
                    f"unknown hook {attribute!r}" + (f"; did you mean {near[0]!r}?" if near else "")
                )

    def _collect(self, module: Any, info: PluginInfo) -> None:
        """Call the registration hooks of this plugin alone, and keep what it gave if all of it is right."""
        processes: dict[str, Process] = {}
        analyses: dict[str, Analysis] = {}
        info.hooks = [hook.name for hook in self.manager.get_hookcallers(module) or []]
        for hook, register in (
            ("register_processes", _registrar(Process, processes, self.processes, _check_process)),
            ("register_analyses", _registrar(Analysis, analyses, self.analyses, _check_analysis)),
        ):
            if hook in info.hooks:
                getattr(module, hook)(register)
        self.processes |= processes
        self.analyses = dict(sorted((self.analyses | analyses).items(), key=lambda item: item[1].order))
        info.provides = [f"process {name}" for name in processes] + [f"analysis {name}" for name in analyses]

    def notify(self, event: str, warn: Callable[[str], None], **arguments: Any) -> None:
        """Call an event hook of every plugin; one that raises is reported through `warn`."""
        for call in getattr(self.manager.hook, event).get_hookimpls():
            try:
                call.function(*(arguments[name] for name in call.argnames))
            except Exception as error:  # noqa: BLE001  # somebody else's code, as above
                warn(f"plugin {call.plugin_name}: {event}: {type(error).__name__}: {error}")

    def read_checkpoint(self, path: Path) -> Checkpoint | None:
        """What the first plugin that knows a foreign file reads from it, or None.

        Raises SpivaeError, naming the plugin, where one fails and no other knows the file.
        """
        problem = None
        for call in reversed(self.manager.hook.read_checkpoint.get_hookimpls()):
            try:
                found = call.function(path)
            except Exception as error:  # noqa: BLE001  # somebody else's code, as above
                problem = f"{path}: plugin {call.plugin_name}: {type(error).__name__}: {error}"
                continue
            if isinstance(found, Checkpoint):
                return found
            if found is not None:
                problem = f"{path}: plugin {call.plugin_name}: read_checkpoint gave no Checkpoint: {found!r}"
        if problem is not None:
            raise SpivaeError(problem)
        return None


def _registrar(
    kind: type[T], found: dict[str, T], taken: Mapping[str, T], check: Callable[[T], None]
) -> Callable[[T], None]:
    def register(item: T) -> None:
        if not isinstance(item, kind):
            raise TypeError(f"register() takes an instance of {kind.__name__}, not {item!r}")
        if not item.name or not item.title:
            raise ValueError(f"{type(item).__name__} needs a name and a title")
        if item.name in found or item.name in taken:
            raise ValueError(f"the {kind.__name__.lower()} {item.name!r} is already registered")
        check(item)
        found[item.name] = item

    return register


def _check_process(process: Process) -> None:
    if not process.parameters:
        raise ValueError(f"process {process.name!r} has no parameters")
    if len(set(process.names)) != len(process.names):
        raise ValueError(f"process {process.name!r} has two parameters of one name")


def _check_analysis(analysis: Analysis) -> None:
    declared_options(analysis.options)


def _named(items: Mapping[str, Item], name: str, kind: str) -> Item:
    if name in items:
        return items[name]
    near = difflib.get_close_matches(name, items, 1)
    known = ", ".join(sorted(items))
    hint = f"did you mean {near[0]!r}?" if near else f"there are {known}; `spivae plugins` lists where from"
    raise SpivaeError(f"unknown {kind} {name!r}; {hint}")


def drop_in_files(folders: Sequence[str | Path] = ()) -> Iterator[Path]:
    """Single-file plugins: of the given folders or files, of $SPIVAE_PLUGINS, of the user's own folder."""
    import platformdirs

    places = [Path(folder) for folder in folders]
    places += [Path(part) for part in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if part]
    places.append(platformdirs.user_config_path("spivae") / "plugins")
    for place in places:
        if place.is_file():
            yield place
        elif place.is_dir():
            yield from sorted(path for path in place.glob("*.py") if not path.name.startswith("_"))


def _import_file(path: Path) -> ModuleType:
    name = f"spivae_drop_in_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def load_plugins(folders: Sequence[str | Path] = (), into: Plugins | None = None) -> Plugins:
    """Load the bundled plugins, then installed ones, then drop-in files."""
    plugins = Plugins() if into is None else into
    found = {point.name + point.value: point for point in entry_points(group=GROUP)}.values()
    for point in sorted(found, key=lambda point: (not point.value.startswith(_BUNDLED), point.name)):
        plugins.load(point.name, _source(point), _version(point), point.load)
    for path in drop_in_files(folders):
        plugins.load(path.stem, str(path), "", lambda path=path: _import_file(path))  # type: ignore[misc]
    return plugins


@cache
def default_plugins() -> Plugins:
    """The plugins of this process, loaded once."""
    return load_plugins()


def _source(point: EntryPoint) -> str:
    if point.value.startswith(_BUNDLED):
        return "bundled"
    return point.dist.name if point.dist is not None else point.value


def _version(point: EntryPoint) -> str:
    if point.value.startswith(_BUNDLED):
        return __version__  # asking the installed package takes milliseconds
    return point.dist.version if point.dist is not None else ""
