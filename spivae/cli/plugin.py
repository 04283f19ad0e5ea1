"""`spivae plugin`: making, checking, switching off and on."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "new": ("plugin_new", "Write the package of a new plugin."),
    "check": ("plugin_check", "Check a plugin against the contract."),
    "disable": ("plugin_switch", "Switch a plugin off."),
    "enable": ("plugin_switch", "Switch it on again."),
}


class Group(click.Group):
    """Imports the one command that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"spivae.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in COMMANDS.items()])


@click.group(cls=Group)
def plugin() -> None:
    """Make a plugin, check it, and switch plugins off and on. `spivae plugins` lists them."""
