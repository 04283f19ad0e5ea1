"""One widget a file, usable by every screen."""
