"""Text for terminals: one cell a character, and in ASCII where nothing else can be written."""

from __future__ import annotations

import unicodedata

_WORDS = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "Δ": "Delta", "ε": "eps", "θ": "theta",
    "λ": "lambda", "μ": "mu", "µ": "u", "ν": "nu", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau",
    "φ": "phi", "ω": "omega", "ℓ": "l", "⟨": "<", "⟩": ">", "·": ".", "×": "x", "−": "-", "–": "-",
    "—": "-", "…": "~", "≤": "<=", "≥": ">=", "±": "+-", "∞": "inf", "→": "->", "’": "'", "“": '"',
    "”": '"', "√": "sqrt", "∝": "~", "≈": "~", "°": "deg", "✕": "X",
}  # fmt: skip
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵅ", "0123456789+-a", strict=True))


def ascii_text(text: str) -> str:
    """The text in ASCII: Greek letters by name, exponents with a caret, accents dropped, the rest as "?"."""
    out = []
    raised = False
    for char in text:
        if char in _SUPERSCRIPTS:
            out.append(("" if raised else "^") + _SUPERSCRIPTS[char])
            raised = True
            continue
        raised = False
        if char in _WORDS:
            out.append(_WORDS[char])
        elif " " <= char <= "~":
            out.append(char)
        elif char in "\t\n\r":
            out.append(" ")
        else:
            plain = unicodedata.normalize("NFKD", char)
            kept = "".join(part for part in plain if " " <= part <= "~")
            out.append(kept or ("" if unicodedata.category(char) in ("Mn", "Cc", "Cf") else "?"))
    return "".join(out)


def single_cells(text: str) -> str:
    """The text with wide characters as "?" and everything without a width left out."""
    kept = []
    for char in unicodedata.normalize("NFC", text):
        if char in "\t\n\r":
            kept.append(" ")
        elif unicodedata.category(char) not in ("Mn", "Me", "Cc", "Cf", "Cs", "Zl", "Zp"):
            kept.append("?" if is_wide(char) else char)
    return "".join(kept)


def is_wide(char: str) -> bool:
    """Whether a character may take two cells; few fonts have it."""
    # Terminals and Python's tables disagree in the East Asian blocks and on emoji: all those count as wide.
    code = ord(char)
    return (
        unicodedata.east_asian_width(char) in "WF" or 0x2E80 <= code <= 0xABFF or 0x1F000 <= code <= 0x3FFFF
    )
