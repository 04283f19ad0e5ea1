"""Has settings in the user's config.toml, but takes none."""
