"""What commands share: options that stand before or after them, checkpoints, and `name=value` arguments."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from spivae.errors import SpivaeError, WorkFailed
from spivae.files import check_out as check_out  # for all commands that write

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from spivae.checkpoint.structs import Checkpoint
    from spivae.plugins import Plugins

    Decorated = TypeVar("Decorated", bound=Callable[..., Any])
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # not generic in every click that will do

# those of spivae_tui.themes, which would have to import Textual to be asked
THEMES = ("spivae-dark", "spivae-light", "ansi-dark", "ansi-light")
PLUGINS, STRICT = "SPIVAE_PLUGINS", "SPIVAE_STRICT_PLUGINS"
_KEPT = "spivae.cli"


def keep(options: dict[str, Any]) -> None:
    """Let commands see the options that were given before them."""
    click.get_current_context().meta[_KEPT] = options


def _add_plugin_folders(ctx: click.Context, param: click.Parameter, folders: tuple[str, ...]) -> None:
    # by the environment, so that workers and detached trainings get them too
    if folders and not ctx.resilient_parsing:
        known = [os.environ[PLUGINS]] if os.environ.get(PLUGINS) else []
        os.environ[PLUGINS] = os.pathsep.join([*map(os.path.abspath, folders), *known])


def _be_strict(ctx: click.Context, param: click.Parameter, strict: bool) -> None:
    if strict and not ctx.resilient_parsing:
        os.environ[STRICT] = "1"  # for detached trainings, as above


def _json_anywhere(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    return value or bool(ctx.meta.get(_KEPT, {}).get("as_json"))


def common_options(*, hidden: bool = True, json: bool = True) -> Callable[[Decorated], Decorated]:
    """--json (passed on as `as_json`), and what only `spivae --help` shows: --debug, --plugins-dir and
    --strict-plugins.
    """

    def decorate(function: Decorated) -> Decorated:
        found = click.option(
            "--plugins-dir",
            type=click.Path(exists=True),
            multiple=True,
            hidden=hidden,
            expose_value=False,
            callback=_add_plugin_folders,
            help="More plugins: a folder of .py files, or one file.",
        )(function)
        found = click.option(
            "--strict-plugins",
            is_flag=True,
            hidden=hidden,
            expose_value=False,
            callback=_be_strict,
            help="A broken plugin ends the command.",
        )(found)
        found = click.option(
            "--debug", is_flag=True, hidden=hidden, expose_value=False, help="Show the traceback of an error."
        )(found)
        if json:
            found = click.option(
                "--json",
                "as_json",
                is_flag=True,
                callback=_json_anywhere,
                help="Answer with one JSON document.",
            )(found)
        return found

    return decorate


def plugins() -> Plugins:
    """All plugins; broken ones are named on stderr. Raises WorkFailed where `check_strictly` does."""
    from spivae.cli.output import note
    from spivae.plugins import load_plugins

    found = load_plugins()
    check_strictly(found)
    for info in found.infos:
        if info.status == "error":
            note(f"warning: plugin {info.name}: {' '.join(str(info.error).split())}")
    return found


def check_process(name: str) -> None:
    """Raise SpivaeError for an unknown process: now, and not in the background. WorkFailed as `plugins`."""
    from spivae.plugins import check_process

    if os.environ.get(STRICT):
        plugins().process(name)
    else:
        check_process(name)


def check_strictly(found: Plugins) -> None:
    """Raises WorkFailed for the first broken plugin, where --strict-plugins was given."""
    broken = [info for info in found.infos if info.status == "error"]
    if broken and os.environ.get(STRICT):
        more = f" ({len(broken) - 1} more; `spivae plugins` lists them)" if len(broken) > 1 else ""
        raise WorkFailed(f"plugin {broken[0].name}: {broken[0].error}{more}")


def foreign(path: Path) -> Checkpoint | None:
    """A checkpoint in a format that a plugin knows; plugins are loaded only where such a file turns up."""
    from spivae.plugins import default_plugins

    return default_plugins().read_checkpoint(path)


class CheckpointType(ParamType):
    """A checkpoint's path (with or without suffix), a run, or a shipped model's name, as the file's path."""

    name = "checkpoint"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        from spivae.checkpoint.naming import resolve

        return resolve(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from spivae.checkpoint.naming import shipped_models

        shipped = sorted(path.stem for path in shipped_models().glob("*.safetensors"))
        names = [CompletionItem(name) for name in shipped if name.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="file")]


class ProcessType(ParamType):
    """The name of a process, which a plugin provides."""

    name = "process"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from spivae.plugins import load_plugins

        processes = load_plugins().processes.values()
        return [
            CompletionItem(process.name, help=process.title)
            for process in processes
            if process.name.startswith(incomplete)
        ]


checkpoint_argument = click.argument("checkpoint", metavar="CKPT", type=CheckpointType())
run_argument = click.argument("run", metavar="RUN")
run_dir_option = click.option(
    "--run-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Where runs live.",
)


def assignments(values: Iterable[str], flag: str) -> dict[str, str]:
    """`name=value` arguments as a mapping. Raises SpivaeError for one without `=` or given twice."""
    found: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise SpivaeError(f"{flag}: {text!r} is not of the form name=value")
        if name in found:
            raise SpivaeError(f"{flag}: {name} is given twice")
        found[name] = value.strip()
    return found


def number(text: str, where: str) -> float:
    """A finite number. Raises SpivaeError that says where it stands."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise SpivaeError(f"{where}: {text!r} is no number")
    return value


out_option = click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="F.npz",
    help="Where to write; an existing file is replaced when all is done.",
)
