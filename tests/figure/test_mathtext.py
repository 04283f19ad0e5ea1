"""Labels in mathtext: what is a variable, what is a word, and that matplotlib can read all of it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spivae.figure.mathtext import mathtext, upright
from spivae.figure.paper_text import lines_of, width_of


@pytest.mark.parametrize(
    ("label", "printed"),
    [
        ("log(α D T^(α-1))", r"log($α$ $D$ $T^{α-1}$)"),
        ("D_out at D = 1e-05", r"$D_{\mathrm{out}}$ at $D$ = $10^{-5}$"),
        ("4.64e-05", r"$4.64\times10^{-5}$"),
        ("0.000464", r"$4.64\times10^{-4}$"),
        ("0.0001", r"$10^{-4}$"),
        ("0.00464", "0.00464"),
        ("5·10⁻²", "5·$10^{-2}$"),
        ("mean(log σ²)", "mean(log $σ^{2}$)"),
        ("μ₃ and z0", "$μ_{3}$ and $z_{0}$"),
        ("log10 D", r"$\mathrm{log}_{10}$ $D$"),
        ("α̂ and x̄", r"$\hat{α}$ and $\bar{x}$"),
        ("⟨Δx²⟩/2", "⟨$Δ$$x^{2}$⟩/2"),
        ("-2.5", "−2.5"),
        ("it diverged at 7.5e-03.", r"it diverged at $7.5\times10^{-3}$."),
        ("version 1e-3.5", "version 1e-3.5"),
        ("log(a - b)", "log($a$ − $b$)"),
    ],
)
def test_formulas_are_set_as_formulas(label: str, printed: str) -> None:
    assert mathtext(label) == printed


@pytest.mark.parametrize(
    "label", ["KL a latent", "NLL per step", "the model's own", "p-value", "e.g. this", "lags 1-10", "MSD"]
)
def test_words_stay_words(label: str) -> None:
    assert mathtext(label) == label


def test_dollars_are_dollars() -> None:
    assert mathtext("cost $5") == r"cost \$5"


def test_units_are_upright_but_for_variables_in_exponents() -> None:
    assert upright("length²/time^α") == r"$\mathrm{length}^{2}$/$\mathrm{time}^{α}$"
    assert upright("nats") == "nats"
    assert upright("s") == "s"


@settings(max_examples=150, deadline=None)
@example("\\A")
@given(st.text(st.sampled_from("αD$^_(){}\\ -e10.²₀x̂'漢%&~#\n") | st.characters(), max_size=12))
def test_whatever_a_label_holds_matplotlib_can_read_it(label: str) -> None:
    from matplotlib.mathtext import MathTextParser

    for line in mathtext(label).split("\n"):
        if line.replace(r"\$", "").count("$"):
            MathTextParser("path").parse(line)
    assert mathtext(label).replace(r"\$", "").count("$") % 2 == 0


def test_widths_are_those_of_the_font() -> None:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    for label in ("Distribution of the output", "trajectories", "-0.03", "4.64e-05", "μ against log(α D)"):
        drawn = TextPath((0, 0), mathtext(label), 7, prop=FontProperties("DejaVu Sans")).get_extents().width
        assert width_of(mathtext(label), 7) == pytest.approx(drawn * 25.4 / 72, rel=0.08), label


def test_lines_are_broken_between_words_but_not_inside_brackets() -> None:
    assert lines_of("mean of log(α D T^(α-1)) in nats", 18, 7) == [
        "mean of",
        "log($α$ $D$ $T^{α-1}$)",
        "in nats",
    ]
    assert lines_of("", 10, 7) == []
    assert lines_of("unbreakable", 1, 7) == ["unbreakable"]
