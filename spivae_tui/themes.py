"""Our themes: one dark, one light, and two that use the terminal's own 16 colours.

The hex colours are those of the 256-colour palette, so that a theme looks the same over SSH, where
terminals rarely announce truecolor. Besides Textual's variables, every theme defines the tokens of
`TOKENS`; style sheets and widgets use those.
"""

from __future__ import annotations

from collections.abc import Mapping

from textual.theme import Theme

TOKENS = {
    "muted": "secondary text: units, labels, ages",
    "rule": "separators and quiet borders",
    "heading": "column headings and section titles",
    "bar": "background of the title and key bars",
    "cursor": "background of the selected row",
    "cursor-text": "text of the selected row",
    "cursor-blurred": "background of the selected row while the focus is elsewhere",
    "field": "background of inputs and selects",
    "good": "finished, surviving",
    "bad": "errors, broken files",
    "warn": "stopped, diverged, options not yet applied",
}


def _theme(name: str, dark: bool, colors: Mapping[str, str], ansi: bool = False) -> Theme:
    accent, text, background = colors["accent"], colors["text"], colors["background"]
    tokens = {token: colors[token] for token in TOKENS}
    variables = {
        **tokens,
        "border": accent,
        "border-blurred": colors["rule"],
        "block-cursor-background": colors["cursor"],
        "block-cursor-foreground": colors["cursor-text"],
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": colors["cursor-blurred"],
        "block-cursor-blurred-foreground": text,
        "block-hover-background": colors["cursor-blurred"],
        "input-cursor-background": accent,
        "input-cursor-foreground": colors["on-accent"],
        "input-cursor-text-style": "none",
        "scrollbar": colors["rule"],
        "scrollbar-hover": colors["muted"],
        "scrollbar-active": accent,
        "scrollbar-background": background,
        "scrollbar-background-hover": background,
        "scrollbar-background-active": background,
        "scrollbar-corner-color": background,
        "button-focus-text-style": "bold",
        "ansi-background": "ansi_black" if dark else "ansi_white",
        "ansi-foreground": "ansi_white" if dark else "ansi_black",
    }
    return Theme(
        name=name,
        dark=dark,
        ansi=ansi,
        primary=accent,
        secondary=accent,
        accent=accent,
        foreground=text,
        background=background,
        surface=colors["surface"],
        panel=colors["bar"],
        success=colors["good"],
        warning=colors["warn"],
        error=colors["bad"],
        variables=variables,
    )


DARK = _theme(
    "spivae-dark",
    True,
    {
        "accent": "#5fd7af",
        "on-accent": "#121212",
        "text": "#dadada",
        "background": "#121212",
        "surface": "#1c1c1c",
        "bar": "#1c1c1c",
        "muted": "#8a8a8a",
        "rule": "#3a3a3a",
        "heading": "#a8a8a8",
        "cursor": "#005f5f",
        "cursor-text": "#ffffff",
        "cursor-blurred": "#303030",
        "field": "#262626",
        "good": "#87d787",
        "bad": "#ff8787",
        "warn": "#ffd75f",
    },
)

LIGHT = _theme(
    "spivae-light",
    False,
    {
        "accent": "#00875f",
        "on-accent": "#ffffff",
        "text": "#262626",
        "background": "#ffffff",
        "surface": "#f5f5f5",
        "bar": "#eeeeee",
        "muted": "#767676",
        "rule": "#d0d0d0",
        "heading": "#585858",
        "cursor": "#d7ffd7",
        "cursor-text": "#121212",
        "cursor-blurred": "#e4e4e4",
        "field": "#eeeeee",
        "good": "#008700",
        "bad": "#d70000",
        "warn": "#af5f00",
    },
)

ANSI_DARK = _theme(
    "ansi-dark",
    True,
    {
        "accent": "ansi_cyan",
        "on-accent": "ansi_black",
        "text": "ansi_default",
        "background": "ansi_default",
        "surface": "ansi_default",
        "bar": "ansi_default",
        "muted": "ansi_bright_black",
        "rule": "ansi_bright_black",
        "heading": "ansi_default",
        "cursor": "ansi_cyan",
        "cursor-text": "ansi_black",
        "cursor-blurred": "ansi_bright_black",
        "field": "ansi_default",
        "good": "ansi_green",
        "bad": "ansi_bright_red",
        "warn": "ansi_yellow",
    },
    ansi=True,
)

ANSI_LIGHT = _theme(
    "ansi-light",
    False,
    {
        "accent": "ansi_blue",
        "on-accent": "ansi_bright_white",
        "text": "ansi_default",
        "background": "ansi_default",
        "surface": "ansi_default",
        "bar": "ansi_default",
        "muted": "ansi_bright_black",
        "rule": "ansi_bright_black",
        "heading": "ansi_default",
        "cursor": "ansi_blue",
        "cursor-text": "ansi_bright_white",
        "cursor-blurred": "ansi_white",
        "field": "ansi_default",
        "good": "ansi_green",
        "bad": "ansi_red",
        "warn": "ansi_magenta",
    },
    ansi=True,
)

THEMES = {theme.name: theme for theme in (DARK, LIGHT, ANSI_DARK, ANSI_LIGHT)}

TITLES = {
    "spivae-dark": "dark",
    "spivae-light": "light",
    "ansi-dark": "16 colours on dark",
    "ansi-light": "16 colours on light",
}


def choose(environ: Mapping[str, str]) -> str:
    """The theme that suits a terminal: 16 colours where TERM has no more, light where COLORFGBG says so."""
    dark = environ.get("COLORFGBG", "").rpartition(";")[2] not in {"7", "15"}
    term = environ.get("TERM", "")
    rich = "NO_COLOR" not in environ and (
        "256" in term
        or environ.get("COLORTERM", "") in {"truecolor", "24bit"}
        or term.startswith(("xterm-kitty", "alacritty", "foot", "wezterm", "ghostty", "xterm-ghostty"))
    )
    return f"{'spivae' if rich else 'ansi'}-{'dark' if dark else 'light'}"
