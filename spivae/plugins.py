"""Loading plugins and collecting what they register. One that is broken is reported, and the rest go on.

A plugin is somebody else's code: whatever it raises, prints, or waits for, is its own failure, told with its
name. What it prints goes to stderr; what does not come back in `patience()` seconds is cut off.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Literal, TypeVar

import pluggy

from spivae import deadline, hookspecs, plugin_settings, plugin_sources
from spivae.analysis import Analysis, declared_options
from spivae.checkpoint.structs import Checkpoint
from spivae.deadline import Blocked, within
from spivae.errors import SpivaeError
from spivae.exporter import BUILT_IN, Exporter
from spivae.model.architectures import Architecture, check_free
from spivae.model.architectures import register as know
from spivae.plugin_sources import GROUP, drop_in_files, import_file, installed, source_of, version_of
from spivae.process import Parameter, Process

PATIENCE, SECONDS = "SPIVAE_PLUGIN_SECONDS", 10.0  # that a plugin may take to load, or to answer a hook

T = TypeVar("T", Process, Analysis, Architecture, Exporter)
Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass
class PluginInfo:
    """One plugin, and how loading it went."""

    name: str
    version: str = ""
    source: str = ""
    status: Literal["ok", "error", "disabled"] = "ok"
    error: str | None = None
    traceback: str = ""
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
        self.patience = patience()
        self.infos: list[PluginInfo] = []
        self.settings: Mapping[str, dict[str, Any]] = {}
        self.disabled: set[str] = set()
        self._blocked: set[Callable[..., Any]] = set()
        self.processes: dict[str, Process] = {}
        self.analyses: dict[str, Analysis] = {}
        self.architectures: dict[str, Architecture] = {}
        self.exporters: dict[str, Exporter] = {}

    def process(self, name: str) -> Process:
        """The process of this name. Raises SpivaeError that tells the near ones, or why there is none."""
        if name not in self.processes:
            for info in self.infos:
                if info.name == name and info.status == "disabled":
                    hint = f"`spivae plugin enable {name}` switches it on"
                    raise SpivaeError(f"unknown process {name!r}: the plugin {name} is switched off; {hint}")
                if info.name == name and info.status == "error":
                    raise SpivaeError(f"unknown process {name!r}: the plugin {name} is broken: {info.error}")
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
        if name in self.disabled:
            info.status = "disabled"
            return
        try:
            publish = self._guarded(partial(self._prepare, find, info))
            publish()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # somebody else's code, as said above
            info.status, info.error, info.traceback = "error", _told(error), _traceback(error)
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)

    def _prepare(self, find: Callable[[], Any], info: PluginInfo) -> Callable[[], None]:
        """Import a plugin and let it register; what is returned makes that known, if all of it is right."""
        module = find()
        if info.status != "ok":  # it was cut off, but would not end
            raise Blocked("came back too late")
        self._check_hooks(module)
        self.manager.register(module, info.name)
        self._configure(info.name)
        return self._collect(info)

    def _check_hooks(self, plugin: Any) -> None:
        """Raises SpivaeError for hooks that are misspelt, take what there is not, or lack their decorator."""
        known = {name: _arguments(value) for name, value in vars(hookspecs).items() if _is_spec(value)}
        marked = [name for name in dir(plugin) if self.manager.parse_hookimpl_opts(plugin, name)]
        for name in marked:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                raise SpivaeError(f"unknown hook {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
            for argument in _arguments(getattr(plugin, name)):
                if argument not in known[name]:
                    raise SpivaeError(f"{name}: no argument {argument!r}; it has {', '.join(known[name])}")
        for name in sorted(known.keys() - marked) if isinstance(plugin, ModuleType) else ():
            if getattr(vars(plugin).get(name), "__module__", "") == plugin.__name__:  # not an imported one
                raise SpivaeError(f"{name}: lacks @hookimpl, without which it is never called")
        if not marked:
            raise SpivaeError("implements no hook, such as register_processes: so it adds nothing")

    def _configure(self, name: str) -> None:
        """Hand a plugin its table of the user's settings. Raises SpivaeError where it takes none."""
        hook = self._hook(name, "configure")
        if hook is not None:
            hook(self.settings.get(name, {}))
        elif name in self.settings:
            raise SpivaeError(f"config.toml has [plugins.{name}], but this plugin takes no settings")

    def _collect(self, info: PluginInfo) -> Callable[[], None]:
        """Call the registration hooks of this plugin alone."""
        processes: dict[str, Process] = {}
        analyses: dict[str, Analysis] = {}
        architectures: dict[str, Architecture] = {}
        exporters: dict[str, Exporter] = {}
        callers = self.manager.get_hookcallers(self.manager.get_plugin(info.name)) or []
        info.hooks = [caller.name for caller in callers]
        for name, register in (
            ("register_processes", _registrar(Process, processes, self.processes, _check_process)),
            ("register_analyses", _registrar(Analysis, analyses, self.analyses, _check_analysis)),
            (
                "register_architectures",
                _registrar(Architecture, architectures, self.architectures, _check_architecture),
            ),
            ("register_exporters", _registrar(Exporter, exporters, self.exporters, _check_exporter)),
        ):
            hook = self._hook(info.name, name)
            if hook is not None:
                hook(register)

        def publish() -> None:
            self.processes |= processes
            self.analyses = dict(sorted((self.analyses | analyses).items(), key=lambda item: item[1].order))
            info.provides = [f"process {name}" for name in processes]
            info.provides += [f"analysis {name}" for name in analyses]
            for item in architectures.values():
                know(item)
            self.architectures |= architectures
            info.provides += [f"architecture {name}" for name in architectures]
            self.exporters |= exporters
            info.provides += [f"exporter {name}" for name in exporters]

        return publish

    def _hook(self, name: str, hook: str) -> Callable[..., Any] | None:
        """A plugin's own implementation of a hook."""
        calls = getattr(self.manager.hook, hook).get_hookimpls()
        return next((call.function for call in calls if call.plugin_name == name), None)

    def notify(self, event: str, warn: Callable[[str], None], **arguments: Any) -> None:
        """Call an event hook of every plugin; one that raises is reported through `warn`."""
        for call in getattr(self.manager.hook, event).get_hookimpls():
            try:
                self._ask(call, *(arguments[name] for name in call.argnames))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # somebody else's code, as said above
                warn(f"plugin {call.plugin_name}: {event}: {_told(error)}")

    def read_checkpoint(self, path: Path) -> Checkpoint | None:
        """What the first plugin that knows a foreign file reads from it, or None.

        Raises SpivaeError, naming the plugin, where one fails and no other knows the file.
        """
        problem = None
        for call in reversed(self.manager.hook.read_checkpoint.get_hookimpls()):
            try:
                found = self._ask(call, path)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # somebody else's code, as said above
                problem = f"{path}: plugin {call.plugin_name}: {_told(error)}"
                continue
            if isinstance(found, Checkpoint):
                return found
            if found is not None:
                problem = f"{path}: plugin {call.plugin_name}: read_checkpoint gave no Checkpoint: {found!r}"
        if problem is not None:
            raise SpivaeError(problem)
        return None

    def _guarded(self, call: Callable[[], Value]) -> Value:
        with contextlib.redirect_stdout(sys.stderr):
            return within(self.patience, call)

    def _ask(self, call: pluggy.HookImpl, *arguments: Any) -> Any:
        """What a hook of a plugin gives; one that did not come back is not called again."""
        if call.function in self._blocked:
            return None
        try:
            return self._guarded(partial(call.function, *arguments))
        except Blocked as blocked:
            self._blocked.add(call.function)
            raise Blocked(f"{blocked}; it is not called again") from None


def _is_spec(value: object) -> bool:
    return isinstance(value, FunctionType) and hasattr(value, f"{GROUP}_spec")


def _arguments(hook: Callable[..., Any]) -> tuple[str, ...]:
    """What a hook takes by name; pluggy passes nothing to an argument that has a default."""
    parameters = inspect.signature(hook).parameters.values()
    return tuple(item.name for item in parameters if item.default is item.empty)


def patience() -> float:
    """Seconds that a plugin may take: $SPIVAE_PLUGIN_SECONDS, or 10. Raises SpivaeError where it is none."""
    given = os.environ.get(PATIENCE) or SECONDS
    try:
        seconds = float(given)
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds < float("inf"):
        raise SpivaeError(f"${PATIENCE}: {given!r} is no number of seconds")
    return seconds


def _told(error: BaseException) -> str:
    """An error in words; our own need no type in front."""
    return str(error) if isinstance(error, SpivaeError | Blocked) else f"{type(error).__name__}: {error}"


def _traceback(error: BaseException) -> str:
    """Where it was raised, from the plugin's own code on."""
    import traceback

    ours = (__file__, deadline.__file__, plugin_sources.__file__, "<frozen importlib._bootstrap")
    at = error.__traceback__
    while at is not None and at.tb_frame.f_code.co_filename.startswith(ours):
        at = at.tb_next
    return "".join(traceback.format_exception(type(error), error, at))


def _registrar(
    kind: type[T], found: dict[str, T], taken: Mapping[str, T], check: Callable[[T], None]
) -> Callable[[T], None]:
    def register(item: T) -> None:
        if not isinstance(item, kind):
            raise TypeError(f"register() takes an instance of {kind.__name__}, not {item!r}")
        if not (isinstance(item.name, str) and item.name and isinstance(item.title, str) and item.title):
            raise ValueError(f"{type(item).__name__} needs a name and a title")
        if item.name in found or item.name in taken:
            raise ValueError(f"the {kind.__name__.lower()} {item.name!r} is already registered")
        check(item)
        found[item.name] = item

    return register


def _check_process(process: Process) -> None:
    if not process.parameters:
        raise ValueError(f"process {process.name!r} has no parameters")
    for parameter in process.parameters:
        if not isinstance(parameter, Parameter):
            raise TypeError(
                f"process {process.name!r}: parameters are instances of Parameter, not {parameter}"
            )
    if len(set(process.names)) != len(process.names):
        raise ValueError(f"process {process.name!r} has two parameters of one name")


def _check_analysis(analysis: Analysis) -> None:
    declared_options(analysis.options)


def _check_architecture(architecture: Architecture) -> None:
    check_free(architecture)
    if ":" not in architecture.model:
        raise ValueError(f"architecture {architecture.name!r}: model needs 'package.module:function'")


def _check_exporter(exporter: Exporter) -> None:
    if not re.fullmatch(r"\.[a-z0-9]+", exporter.name):
        raise ValueError(f"exporter {exporter.name!r}: its name is a suffix in small letters, such as '.txt'")
    if exporter.name in BUILT_IN:
        raise ValueError(f"the exporter {exporter.name!r} is built in")


def _named(items: Mapping[str, Item], name: str, kind: str) -> Item:
    if name in items:
        return items[name]
    near = difflib.get_close_matches(name, items, 1)
    known = ", ".join(sorted(items))
    hint = f"did you mean {near[0]!r}?" if near else f"there are {known}; `spivae plugins` lists where from"
    raise SpivaeError(f"unknown {kind} {name!r}; {hint}")


def load_plugins(folders: Sequence[str | Path] = (), into: Plugins | None = None) -> Plugins:
    """Load the bundled plugins, then installed ones, then drop-in files.

    Raises SpivaeError where the user's settings cannot be read.
    """
    plugins = Plugins() if into is None else into
    plugins.disabled, plugins.settings = plugin_settings.disabled(), plugin_settings.tables()
    for point in installed():
        plugins.load(point.name, source_of(point), version_of(point), point.load)
    for path in drop_in_files(folders):
        plugins.load(path.stem, str(path), "", partial(import_file, path))
    return plugins


def check_process(name: str) -> None:
    """Raise SpivaeError where no plugin has this process.

    Where the plugin of the same name has it, as all bundled ones do, the others are left alone.
    """
    alone = Plugins()
    alone.disabled, alone.settings = plugin_settings.disabled(), plugin_settings.tables()
    for point in installed():
        if point.name == name:
            alone.load(point.name, source_of(point), version_of(point), point.load)
    if name not in alone.processes:
        load_plugins().process(name)


@cache
def default_plugins() -> Plugins:
    """The plugins of this process, loaded once."""
    return load_plugins()
