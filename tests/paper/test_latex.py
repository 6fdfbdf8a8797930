"""Text in LaTeX: whatever it holds, it prints and does nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.paper.latex import SYMBOLS, beyond_pdflatex, escaped, label_of, with_symbols

# Written out here once more, by what each prints: what a piece of the output may look like.
COMMANDS = [
    *(r"\\(?:textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar)\{\}",),
    *(r"\\textasciigrave\{\}", r"\{\\char34\}", r"\\[{}$&#%_]", r"[-,']\{\}(?=[-,'])"),
    *(re.escape(command) for command in SYMBOLS.values()),
]
PIECES = re.compile(rf"(?:\{{\}}(?=[\[*]))?(?:{'|'.join(COMMANDS)}|[^\\{{}}$&#%_^~\"`|<>\n\r\t])*")


@given(st.text() | st.text(alphabet="\\{}$&#^_~%<>|\"`'-,[]*!? \n\r\tab−σ\u2028\x00\x7f"))
def test_no_text_breaks_out(text):
    out = escaped(text)
    assert PIECES.fullmatch(out), out
    assert not re.search(r"--|,,|''", out), "a ligature would be another text"
    assert not out.startswith(("[", "*"))
    assert out.count("{") - out.count(r"\{") == out.count("}") - out.count(r"\}")
    out.encode()  # no lone half of a character, which no file can hold


@given(st.text(alphabet=st.characters(codec="ascii", min_codepoint=32, max_codepoint=126)))
def test_nothing_of_a_text_is_lost(text):
    back = escaped(text)
    for printed, command in (
        *(("$", r"\$"), ("&", r"\&"), ("#", r"\#"), ("%", r"\%"), ("_", r"\_")),
        *(('"', r"{\char34}"), ("^", r"\textasciicircum{}"), ("~", r"\textasciitilde{}")),
        *(("<", r"\textless{}"), (">", r"\textgreater{}"), ("|", r"\textbar{}")),
        ("`", r"\textasciigrave{}"),
    ):
        back = back.replace(command, printed)
    back = re.sub(r"^\{\}(?=[\[*])", "", back)
    back = re.sub(r"(?<=[-,'])\{\}(?=[-,'])", "", back)
    back = re.sub(r"\\textbackslash\{\}|\\([{}])", lambda m: m[1] or "\\", back)
    assert back == re.sub(" +", " ", text)


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("", ""),
        ("50 % of a_b & c#1 {x} ~ ^", r"50 \% of a\_b \& c\#1 \{x\} \textasciitilde{}"
         r" \textasciicircum{}"),
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("σ ≈ −0.3 ± 2 × θ → ÷ ≤ 1", r"$\sigma$ $\approx$ $-$0.3 $\pm$ 2 $\times$ $\theta$"
         r" $\rightarrow$ $\div$ $\leq$ 1"),
        ("95\u00a0% – no", r"95~\% \textendash{} no"),
        ("two\n\nlines\tand a tab", "two lines and a tab"),
        ("a---b ''c'' ,,d", "a-{}-{}-b '{}'c'{}' ,{},d"),
        ("[1] row", "{}[1] row"),
        ("* row", "{}* row"),
        ('"yes" | <b>', r"{\char34}yes{\char34} \textbar{} \textless{}b\textgreater{}"),
        ("Größe, 日本語", "Größe, 日本語"),
        ("half \ud800 of one", "half ? of one"),
    ],
)  # fmt: skip
def test_what_stands_for_what(text, out):
    assert escaped(text) == out


def test_accents_of_their_own_join_their_letters():
    assert escaped("Cafe\u0301 o\u0308") == "Café ö"


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\ufeff", "\u00ad", "\u200f"])
def test_what_prints_nothing_and_turns_the_writing_is_left_out(sign):
    assert escaped(f"a{sign}b") == "ab"


def test_joiners_stay_for_the_scripts_that_need_them():
    assert escaped("\u0645\u06cc\u200c\u062e") == "\u0645\u06cc\u200c\u062e"


def test_what_pdflatex_cannot_set_is_known():
    assert beyond_pdflatex(escaped("Žluť α − 忘却 忘 é")) == "忘却"


@pytest.mark.parametrize("name", ["a%b", "x}{y", "忘却", "a\\b", "a#b~c d"])
def test_a_label_is_a_plain_name(name):
    assert re.fullmatch("prompts_[A-Za-z0-9_.+-]*", label_of(f"prompts_{name}"))
    assert label_of("task_scores_test-only") == "task_scores_test-only"


def test_symbols_of_statistics_are_set_as_mathematics():
    text = "r = −0.5, p (two-sided), n = 3; Student t, Fisher's z and p: a prompt's z-score. r's R²"
    assert with_symbols(escaped(text)) == (
        r"$r$ = $-$0.5, $p$ (two-sided), $n$ = 3; Student $t$, Fisher's $z$ and $p$: a prompt's"
        r" z-score. r's R$^{2}$"
    )
    assert with_symbols(escaped("xⁿ yₜ")) == "x$^{n}$ y$_{t}$"


@given(st.text(alphabet="nprtz \\{}$&#^_~%<>|\"`'-,.ⁿₜ−"))
def test_symbols_leave_mathematics_whole(text):
    set_so = with_symbols(escaped(text)).replace(r"\$", "")
    parts = set_so.split("$")
    assert len(parts) % 2
    for inside in parts[1::2]:
        assert inside in ("n", "p", "r", "t", "z", "-", "^{n}", "_{t}"), set_so
