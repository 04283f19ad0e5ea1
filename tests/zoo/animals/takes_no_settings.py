"""Has settings in the user's config.toml, but takes none."""

from spivae.api import hookimpl


@hookimpl
def training_started(run):
    pass
