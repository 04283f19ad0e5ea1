"""How many panels fit, and in what grid."""

from __future__ import annotations

import math

MIN_WIDTH, MIN_HEIGHT = 38, 11
GAP = 2  # empty columns between panels


def grid(count: int, width: int, height: int, wish: int | None = None) -> tuple[int, int]:
    """Columns and rows for up to `count` panels in width x height cells; `wish` columns where there is room.

    A grid that cannot hold them all is the largest that fits: the rest goes on further pages.
    """
    width, height = max(width, 1), max(height, 1)
    most_columns = max(1, (width + GAP) // (MIN_WIDTH + GAP))
    most_rows = max(1, height // MIN_HEIGHT)
    if count >= most_columns * most_rows:
        return most_columns, most_rows
    if wish is not None and wish >= 1:
        columns = min(wish, most_columns, count)
        if math.ceil(count / columns) <= most_rows:
            return columns, math.ceil(count / columns)

    def cost(columns: int) -> float:
        rows = math.ceil(count / columns)
        aspect = ((width - GAP * (columns - 1)) / columns) / (height / rows)
        return abs(math.log(aspect / 3.2)) + 0.5 * (columns * rows - count) / count

    possible = [columns for columns in range(1, most_columns + 1) if math.ceil(count / columns) <= most_rows]
    columns = min(possible, key=cost)
    return columns, math.ceil(count / columns)


def split(total: int, parts: int, gap: int = 0) -> list[int]:
    """`total` cells in `parts` nearly equal sizes with `gap` cells between them."""
    free = max(total - gap * (parts - 1), 0)
    return [free * (index + 1) // parts - free * index // parts for index in range(parts)]
