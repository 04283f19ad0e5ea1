"""`spivae cache`: what analyses have said, as it is kept on disk."""

from __future__ import annotations

import click

from spivae import wording
from spivae.cli.common import common_options
from spivae.cli.output import emit, emit_json


@click.command()
@click.option("--clear", is_flag=True, help="Remove all entries; each is computed again when asked for.")
@common_options()
def cache(clear: bool, as_json: bool) -> None:
    """Show what is kept of analyses, so that they need not be computed again.

    $SPIVAE_CACHE names another folder, or is `off`; $SPIVAE_CACHE_MB is what all entries together may take.
    Those used longest ago make room for new ones.

    --json: {path, entries, size, limit} in bytes; path is null where nothing is kept. With --clear, what was
    removed.
    """
    from spivae.worker import results

    kept = results.of_user()
    usage = results.Usage(0, 0) if kept is None else kept.clear() if clear else kept.usage()
    if as_json:
        emit_json(
            {
                "path": kept and kept.folder,
                "entries": usage.entries,
                "size": usage.size,
                "limit": kept.limit if kept else 0,
            }
        )
    elif kept is None:
        emit("Results are not kept: they are turned off by the environment.")
    else:
        of_limit = "removed" if clear else f"of {wording.size(kept.limit)}"
        noun = "entry" if usage.entries == 1 else "entries"
        emit(f"{kept.folder}: {usage.entries} {noun}, {wording.size(usage.size)} {of_limit}")
