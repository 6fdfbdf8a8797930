"""Any text as LaTeX that prints it and does nothing else.

What comes out holds no command, brace, math shift, comment or ligature that the text brought
along. It is set by pdfLaTeX with its usual UTF-8 input as far as `SYMBOLS` and the accented Latin
letters of the document's fonts go. Every other character is kept as it is: prompts in other
scripts need XeLaTeX or LuaLaTeX and a font that has them.
"""

from __future__ import annotations

import re
import unicodedata

_ASCII = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "`": r"\textasciigrave{}",
}
_GREEK = {
    **{"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "ζ": "zeta"},
    **{"η": "eta", "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "µ": "mu"},
    **{"ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "ς": "varsigma", "τ": "tau"},
    **{"υ": "upsilon", "φ": "varphi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma"},
    **{"Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma"},
    **{"Φ": "Phi", "Ψ": "Psi", "Ω": "Omega"},
}
_MATH = {
    **{"≈": "approx", "±": "pm", "∓": "mp", "×": "times", "÷": "div", "≤": "leq", "≥": "geq"},
    **{"≠": "neq", "≡": "equiv", "∼": "sim", "→": "rightarrow", "←": "leftarrow"},
    **{"↔": "leftrightarrow", "↑": "uparrow", "↓": "downarrow", "⇒": "Rightarrow", "∞": "infty"},
    **{"√": "surd", "∑": "sum", "∏": "prod", "∂": "partial", "∇": "nabla", "∈": "in"},
    **{"∪": "cup", "∩": "cap", "⊂": "subset", "∀": "forall", "∃": "exists", "¬": "neg"},
    **{"‖": "|", "⋅": "cdot", "∗": "ast", "°": "circ"},
}
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₜ", "0123456789+-t", strict=True))

SYMBOLS: dict[str, str] = {
    **{letter: f"$\\{name}$" for letter, name in _GREEK.items()},
    **{sign: f"$\\{name}$" for sign, name in _MATH.items()},
    **{sign: f"$^{{{plain}}}$" for sign, plain in _RAISED.items()},
    **{sign: f"$_{{{plain}}}$" for sign, plain in _LOWERED.items()},
    "°": r"$^{\circ}$",
    "\N{MINUS SIGN}": "$-$",
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": r"\mbox{-}",
    "\N{EN DASH}": r"\textendash{}",
    "\N{EM DASH}": r"\textemdash{}",
    "\N{HORIZONTAL ELLIPSIS}": r"\textellipsis{}",
    "\N{LEFT SINGLE QUOTATION MARK}": r"\textquoteleft{}",
    "\N{RIGHT SINGLE QUOTATION MARK}": r"\textquoteright{}",
    "\N{LEFT DOUBLE QUOTATION MARK}": r"\textquotedblleft{}",
    "\N{RIGHT DOUBLE QUOTATION MARK}": r"\textquotedblright{}",
    "\N{BULLET}": r"\textbullet{}",
    "\N{MIDDLE DOT}": r"\textperiodcentered{}",
    "\N{DAGGER}": r"\dag{}",
    "\N{DOUBLE DAGGER}": r"\ddag{}",
    "\N{SECTION SIGN}": r"\S{}",
    "\N{PILCROW SIGN}": r"\P{}",
    "\N{POUND SIGN}": r"\pounds{}",
    "\N{EURO SIGN}": r"\texteuro{}",
    "\N{COPYRIGHT SIGN}": r"\textcopyright{}",
    "\N{VULGAR FRACTION ONE HALF}": r"$\frac{1}{2}$",
    "\N{VULGAR FRACTION ONE QUARTER}": r"$\frac{1}{4}$",
    "\N{VULGAR FRACTION THREE QUARTERS}": r"$\frac{3}{4}$",
    "\N{NO-BREAK SPACE}": "~",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{THIN SPACE}": r"\,",
    "\N{ZERO WIDTH SPACE}": r"\hspace{0pt}",
}
"""Characters beyond ASCII that have a command of their own."""

_ALL = {**_ASCII, **SYMBOLS}
_SHOWN_BY_OTHERS = ("\N{ZERO WIDTH SPACE}", "\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}")
"""Signs that print nothing, but make a line break or change how their neighbours look."""
_LATIN = 0x17F
"""The last letter of Latin Extended-A: up to it pdfLaTeX's fonts have nearly all."""


def escaped(text: str) -> str:
    """The text as LaTeX source, on one line, for a table's cell, a caption or running text.

    Line breaks, tabs and other control characters become spaces, runs of spaces one. Letters and
    accents of their own become one character. Signs that print nothing, as those that turn the
    direction of writing, are left out; joiners, which other scripts need, stay. Lone halves of a
    character (surrogates), which no file can hold, become question marks.
    """
    joined = unicodedata.normalize("NFC", text)
    plain = re.sub(" +", " ", "".join(_printable(sign) for sign in joined))
    # Apart, so that two of them become no dash and no quotation mark.
    apart = re.sub(r"([-,'])(?=\1)", r"\1{}", "".join(_ALL.get(sign, sign) for sign in plain))
    # After a row's end these two would say something to LaTeX.
    return "{}" + apart if apart.startswith(("[", "*")) else apart


def _printable(sign: str) -> str:
    category = unicodedata.category(sign)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    if category == "Cf" and sign not in _SHOWN_BY_OTHERS:
        return ""
    return "?" if category == "Cs" else sign


def with_symbols(source: str) -> str:
    """A LaTeX text of statistics with n, p, r, t and z that stand alone as mathematics has them."""
    return re.sub(r"(?<![\w\\{$'.-])([nprtz])(?![\w'}-])", r"$\1$", source)


def beyond_pdflatex(source: str) -> str:
    """The characters of a LaTeX source that only XeLaTeX and LuaLaTeX set, each once, in order."""
    return "".join(dict.fromkeys(sign for sign in source if ord(sign) > _LATIN))


def label_of(name: str) -> str:
    r"""A name as `\label` and `\ref` take it."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", name)
