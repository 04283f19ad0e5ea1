"""Figures: what to draw (`spec`) and the backends that draw it."""
