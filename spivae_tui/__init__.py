"""The terminal app of spivae. Nothing here imports torch; `spivae_tui.main.run` starts it."""
