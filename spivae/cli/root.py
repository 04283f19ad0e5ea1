"""The group `spivae`: a table of commands, each imported when it is called."""

from __future__ import annotations

import difflib
import importlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from spivae import __version__
from spivae.cli.common import THEMES, common_options, keep

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Listed(NamedTuple):
    """A command as `spivae --help` lists it: the module that holds it, and a line about it."""

    module: str
    help: str
    section: str


COMMANDS = {
    "ls": Listed("listing", "List checkpoints and runs, newest first.", "Look"),
    "inspect": Listed("inspecting", "Show what a checkpoint holds: arguments, tensors, metrics.", "Look"),
    "analyze": Listed("analyze", "Run analyses of a checkpoint and draw them.", "Look"),
    "evaluate": Listed("evaluate", "Judge a checkpoint on fresh trajectories.", "Look"),
    "cache": Listed("cache", "Show or clear what is kept of analyses.", "Look"),
    "data": Listed("data", "Simulate a dataset.", "Make"),
    "train": Listed("train", "Train a model from a recipe.", "Make"),
    "sweep": Listed("sweep", "Train a recipe at every point of a grid of settings.", "Make"),
    "lr-find": Listed("lr_find", "Find a learning rate for a recipe.", "Make"),
    "runs": Listed("runs", "List trainings and how far they are.", "Follow"),
    "compare": Listed("compare", "Show runs side by side: settings, results, curves.", "Follow"),
    "watch": Listed("watch", "Follow a training: its curves, or a line an epoch.", "Follow"),
    "stop": Listed("stop", "Ask a training to save and end.", "Follow"),
    "resume": Listed("resume", "Go on with a training that was stopped or killed.", "Follow"),
    "tag": Listed("tag", "Put words on a run, to find it again.", "Follow"),
    "logs": Listed("logs", "Print what a detached training has written.", "Follow"),
    "rm": Listed("rm", "Delete a run.", "Follow"),
    "predict": Listed("predict", "Latents and losses of given trajectories.", "Use"),
    "generate": Listed("generate", "New trajectories from a model.", "Use"),
    "convert": Listed("convert", "Turn the original's checkpoint into a native one.", "Use"),
    "plugin": Listed("plugin", "Make, check, switch off and on plugins.", "Extend"),
    "plugins": Listed("plugins", "List plugins, what they provide and what is wrong with them.", "Extend"),
}


class Root(click.Group):
    """Looks commands up in `COMMANDS`; a first argument that is none of them is a folder for the app."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return _load(COMMANDS[cmd_name].module, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        first = args[0]
        if first in COMMANDS or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        if not os.path.lexists(os.path.expanduser(first)):
            near = difflib.get_close_matches(first, COMMANDS, 1, cutoff=0.5)
            hint = f"did you mean `spivae {near[0]}`?" if near else "`spivae --help` lists the commands"
            raise click.UsageError(f"no such command or folder {first!r}; {hint}")
        return "", _load("home", "home"), args

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(listed.section for listed in COMMANDS.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [(name, listed.help) for name, listed in COMMANDS.items() if listed.section == section],
                    col_max=12,
                )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        commands = [
            CompletionItem(name, help=listed.help)
            for name, listed in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)


def _load(module: str, name: str) -> click.Command:
    command: click.Command = getattr(importlib.import_module(f"spivae.cli.{module}"), name.replace("-", "_"))
    return command


EPILOG = """\
Exit codes: 0 done, 1 the work failed, 2 the input was wrong. Commands that answer something take --json.
Completion: eval "$(_SPIVAE_COMPLETE=bash_source spivae)" (or zsh_source, fish_source).
"""


@click.group(
    cls=Root,
    invoke_without_command=True,
    epilog=EPILOG,
    options_metavar="[OPTIONS]",
    subcommand_metavar="[DIR]... | COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--no-mouse", is_flag=True, help="The app leaves the mouse to the terminal.")
@click.option("--theme", type=click.Choice(THEMES), help="Colours of the app.")
@click.option(
    "--glyphs",
    type=click.Choice(["braille", "block", "ascii"]),
    help="What the app draws plots with  [default: as the terminal can]",
)
@common_options(hidden=False)
@click.version_option(__version__, "-V", "--version", message="spivae %(version)s")
@click.pass_context
def root(ctx: click.Context, /, **options: Any) -> Any:
    """Interpretable generative models of diffusion, in a terminal.

    Without a command: the app, on the checkpoints and runs under DIR... (default: the shipped models,
    ./models, ./runs and the user's data folder). Where stdout is no terminal, a list of them and a report
    of the newest checkpoint instead.
    """
    keep(options)
    if ctx.invoked_subcommand is None:
        return ctx.invoke(_load("home", "home"), dirs=(), **options)
    return None


def call(arguments: list[str]) -> int:
    """What click makes of a command line, and its exit code."""
    if "_SPIVAE_COMPLETE" in os.environ:
        root.main(arguments, prog_name="spivae")  # answers the shell and exits
    try:
        with root.make_context("spivae", arguments) as context:
            code = root.invoke(context)
    except click.exceptions.Exit as leaving:
        code = leaving.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    return code if isinstance(code, int) else 0
