"""Write the cards of the shipped models into README.md: `python models/cards.py [NAME...]`.

A card is `spivae evaluate NAME --json` on trajectories that no training has seen; NAME.json keeps it.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE / "README.md"
SETTINGS = ["-n", "20000", "--seed", "12345", "--generated", "2000"]
SYMBOLS = {"alpha": "α", "lnD": "ln D"}


def digest(name: str) -> str:
    """SHA-256 of a model's file."""
    return hashlib.sha256((HERE / f"{name}.safetensors").read_bytes()).hexdigest()


def evaluate(name: str) -> dict[str, Any]:
    """What `spivae evaluate` says of a model, with the file that it said it of."""
    command = [sys.executable, "-m", "spivae", "evaluate", str(HERE / f"{name}.safetensors"), "--json"]
    answer = subprocess.run([*command, *SETTINGS], check=True, stdout=subprocess.PIPE).stdout
    own = {"checkpoint": f"models/{name}", "sha256": digest(name), "training": training(name)}
    return {**json.loads(answer), **own}


def training(name: str) -> dict[str, Any]:
    """How long a model was trained: epochs, steps and seconds, from its header."""
    from spivae.checkpoint import read_header

    last = read_header(HERE / f"{name}.safetensors").history[-1]
    return {key: last[key] for key in ("epoch", "step", "seconds")}


def card(found: dict[str, Any]) -> str:
    """The table of one model."""
    name = Path(found["checkpoint"]).name
    head = f"`spivae evaluate {name} {' '.join(SETTINGS)}`, on {found['n']:,} fresh trajectories:"
    rows = [*_bound(found), *_latents(found), *_knowledge(found), *_generation(found)]
    return "\n".join([head, "", "| | |", "| --- | --- |", *(f"| {key} | {words} |" for key, words in rows)])


def _bound(found: dict[str, Any]) -> list[tuple[str, str]]:
    trained = found["training"]
    took = f"{trained['epoch']} epochs, {trained['step']:,} steps, {trained['seconds'] / 60:.0f} minutes"
    rows = [
        ("training", took),
        ("-ELBO", f"{found['neg_elbo']:.4f} ± {found['neg_elbo_se']:.5f} nats a step"),
        ("beta of the training, at its end", f"{found['beta_true_units']:.2f} times the true weight"),
    ]
    gap = found["gap"]
    if gap is not None:
        parts = f"decoder {gap['decoder']:+.2f}, encoder {gap['encoder']:+.2f}"
        rows += [
            ("gap to H + I/n", f"{gap['nats']:.2f} ± {gap['error']:.2f} nats a trajectory ({parts})"),
            ("information of a trajectory", f"{found['information']:.2f} nats"),
        ]
    if found["worst_cell"] is not None:
        where = ", ".join(
            f"{SYMBOLS.get(key, key)} = {value:.3g}" for key, value in found["worst_cell"].items()
        )
        excess = f"{found['worst_cell_nats']:.4f} nats a step above its entropy"
        rows.append(("NLL of the worst cell", f"{excess}, at {where}"))
    return rows


def _latents(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    surviving = [latent for latent in found["latents"] if latent["index"] in found["surviving"]]
    for latent in sorted(surviving, key=lambda latent: -latent["kl"]):
        words = f"{latent['kl']:.2f} nats"
        if latent["expression"] is not None:
            words += f"; {latent['expression']}, R² {latent['r2']:.4f}"
        rows.append((f"latent {latent['index']}", words))
    others = [latent["kl"] for latent in found["latents"] if latent not in surviving]
    if others:
        rows.append(("the other latents", f"at most {max(others):.4f} nats"))
    return rows


def _knowledge(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    best = found["estimators"].get("Bayes posterior median"), found["estimators"].get("Bayes posterior mean")
    for key, known in found["parameters"].items():
        if known["r2"] is None:  # it never varies
            continue
        words = f"mean error {known['mae']:.4f}, R² {known['r2']:.4f}"
        if all(best):
            words += f" (best possible {best[0][key]['mae']:.4f} and {best[1][key]['r2']:.4f})"
        rows.append((f"{SYMBOLS.get(key, key)} from the latents", words))
    return rows


def _generation(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows, made = [], found["generation"] or {}
    if made.get("not_finite"):
        rows.append(("generated trajectories", f"{made['not_finite']:,} run away to infinity"))
    if made.get("alpha_mae") is not None:
        words = f"mean error {made['alpha_mae']:.3f} ({made['alpha_mae_noise']:.3f} by chance)"
        rows.append(("α of generated trajectories", words))
    if made.get("diffusivity_worst_ratio") is not None:
        words = f"off by a factor of {made['diffusivity_worst_ratio']:.2f} at worst"
        rows.append(("their D(t)", f"{words} ({made['diffusivity_worst_noise']:.2f} by chance)"))
    return rows


def written(text: str, name: str, found: dict[str, Any]) -> str:
    """README's text with the card of one model, between its two marks."""
    begin, end = f"<!-- card {name} -->\n", f"\n<!-- end {name} -->"
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    if not re.search(pattern, text, re.DOTALL):
        raise SystemExit(f"{README}: has no place for the card of {name} ({begin.strip()} ... {end.strip()})")
    return re.sub(pattern, lambda _: begin + card(found) + end, text, flags=re.DOTALL)


def main(names: list[str]) -> None:
    for name in names or sorted(path.stem for path in HERE.glob("*.safetensors")):
        found = evaluate(name)
        (HERE / f"{name}.json").write_text(
            json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        README.write_text(written(README.read_text(encoding="utf-8"), name, found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
