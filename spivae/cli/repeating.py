"""Training again what was trained before, in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spivae.cli.output import note
from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.training.run import Run


def find_repeated(name: str, base: Path) -> Run | None:
    """The run that is named in place of a recipe, to be trained again; None where it is a recipe's name.

    Raises SpivaeError where it has not begun, so that there is nothing to repeat.
    """
    from spivae.cli.train import find_recipe
    from spivae.training.run import find_run, run_folder

    if run_folder(name, base) is None:
        try:
            find_recipe(name)
            return None
        except SpivaeError as no_recipe:
            try:
                run = find_run(name, base)
            except SpivaeError:
                raise no_recipe from None
    else:
        run = find_run(name, base)
    info = run.info
    if not info.threads:
        raise SpivaeError(f"{run.id}: has not been trained yet; `spivae train {run.recipe_path}` begins anew")
    if info.changes or info.lr_scale != 1:
        said = "; ".join(f"{each.said} after step {each.step}" for each in info.changes)
        said = said or f"--lr-scale {info.lr_scale:g}"
        note(f"warning: {run.id} went on otherwise ({said}); to its bits it cannot be trained again")
    return run
