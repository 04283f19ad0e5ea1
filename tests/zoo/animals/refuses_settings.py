"""Refuses its settings."""

from spivae.api import SpivaeError, hookimpl


@hookimpl
def configure(settings):
    raise SpivaeError(f"colour: {settings['colour']!r} is no colour")
