"""Takes the name of a bundled plugin."""
