"""Computes for ever when it is imported."""

while True:
    pass
