"""Labels as a printed page has them: variables italic, sub- and superscripts set, powers of ten written out.

Labels are plain unicode, such as "log(α D T^(α-1))" or "D_out at D = 1e-05"; here they become matplotlib's
mathtext. What is not understood stays as it stands.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from spivae.figure.letters import is_wide

_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱᵅᵝ", "0123456789+-()niαβ", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₐₑₒₓᵢⱼₖₗₘₙₚₛₜ", "0123456789+-()aeoxijklmnpst", strict=True))
_ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0307": "dot"}
_GREEK = "α-ωΑ-Ωϕϑϵ"
_SCRIPT = (
    rf"[_^]\([^()]*\)|[_^][-+]?(?:[A-Za-z]+|[{_GREEK}]|\d+)|[{''.join(_RAISED)}]+|[{''.join(_LOWERED)}]+"
)
_SCRIPTS = re.compile(_SCRIPT)
_END = r"(?!\w|\.\w)"  # of a number; a sentence may end with it
_ATOM = re.compile(
    # a number with an exponent, or so small that it gets one
    rf"(?P<mantissa>\d+(?:\.\d+)?)e(?P<exponent>[-+]?\d+){_END}|0\.000(?P<small>\d*[1-9]\d*){_END}"
    # a number, word or letter with its accent, index digits and scripts
    rf"|(?P<base>\d+(?:\.\d+)?|[A-Za-z]+(?:'[A-Za-z]+)*|[{_GREEK}])(?P<accent>[{''.join(_ACCENTS)}])?"
    rf"(?P<digits>(?<=[A-Za-z{_GREEK}])\d+{_END})?(?P<scripts>(?:{_SCRIPT})*)"
    # a hyphen that means minus
    rf"|(?P<minus>(?:(?<=[\s(=])|^)-(?=[\w( ]))"
)


def mathtext(text: str) -> str:
    """The label for matplotlib: single letters as variables, words as they are."""
    return _replaced(text, _atom)


def upright(text: str) -> str:
    """A unit for matplotlib: nothing italic but the variables in its exponents."""

    def atom(found: re.Match[str]) -> str:
        scripts = _scripts(found["scripts"] or "")
        return f"${_roman(found['base'])}{scripts}$" if scripts else _escaped(found[0])

    return _replaced(text, atom)


def _replaced(text: str, atom: Callable[[re.Match[str]], str]) -> str:
    text = "".join(_printed(char) for char in unicodedata.normalize("NFC", text))
    out, end = [], 0
    for found in _ATOM.finditer(text):
        out += [_escaped(text[end : found.start()]), atom(found)]
        end = found.end()
    return "".join([*out, _escaped(text[end:])])


def _printed(char: str) -> str:
    if char == "\\":  # before a formula it would escape the formula's dollar
        return "\N{SET MINUS}"
    return "?" if is_wide(char) else char if char.isprintable() else " "


def _atom(found: re.Match[str]) -> str:
    if found["minus"]:
        return "\N{MINUS SIGN}"
    if found["mantissa"]:
        return _power(found["mantissa"], int(found["exponent"]))
    if found["small"]:
        digits = found["small"].lstrip("0")
        return _power(".".join(filter(None, (digits[0], digits[1:]))), len(digits) - len(found["small"]) - 4)
    base, digits = found["base"], found["digits"] or ""
    scripts = _scripts(found["scripts"])
    single = len(base) == 1 and base.isalpha() and not _is_word(found)
    accent = _ACCENTS.get(found["accent"] or "")
    if not (single or scripts or accent or (digits and base == "log")):
        return _escaped(found[0])
    core = base if single or base[0].isdigit() else _roman(base)
    if accent:
        core = f"\\{accent}{{{core}}}"
    return f"${core}{f'_{{{digits}}}' if digits else ''}{scripts}$"


def _power(mantissa: str, exponent: int) -> str:
    power = f"10^{{{exponent}}}"
    return f"${power}$" if mantissa == "1" else f"${mantissa}\\times{power}$"


def _is_word(found: re.Match[str]) -> bool:
    """Whether a lone letter is no variable but an article, or part of an abbreviation."""
    before, after = found.string[: found.start()], found.string[found.end() :]
    if found["scripts"] or found["digits"] or not found["base"].isascii():
        return False
    if re.search(r"\w[.'’-]$", before) or re.match(r"[.'’-]\w", after):
        return True
    return found["base"] in "aAI" and bool(re.match(r" [A-Za-z]{2}", after))


def _scripts(scripts: str) -> str:
    """Sub- and superscripts in mathtext, one of each at most."""
    parts: dict[str, str] = {}
    for script in _SCRIPTS.findall(scripts):
        if script[0] in "_^":
            kind, inner = script[0], script[1:].removeprefix("(").removesuffix(")")
        elif script[0] in _RAISED:
            kind, inner = "^", "".join(_RAISED[char] for char in script)
        else:
            kind, inner = "_", "".join(_LOWERED[char] for char in script)
        parts[kind] = parts.get(kind, "") + inner
    return "".join(f"{kind}{{{_inside(inner)}}}" for kind, inner in sorted(parts.items(), reverse=True))


def _inside(text: str) -> str:
    """An exponent or index: variables italic, words upright, nothing that mathtext could stumble over."""
    plain = re.sub(rf"[^A-Za-z0-9{_GREEK}+\-*/=<>.,:|() ]", "", text)
    return re.sub(r"[A-Za-z]{2,}", lambda found: _roman(found[0]), plain)


def _roman(word: str) -> str:
    return f"\\mathrm{{{word}}}" if word[:1].isalpha() else word


def _escaped(text: str) -> str:
    return text.replace("$", r"\$")
