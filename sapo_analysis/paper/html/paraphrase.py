"""What the report says of paraphrase studies: the headline and the claims."""

from __future__ import annotations

import math

from sapo_analysis import analysis
from sapo_analysis.analysis.claims import MIN_TASKS
from sapo_analysis.analysis.estimate import Estimate, Verdict
from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.wording import SCOPE_WORDS, counted, signed
from sapo_analysis.errors import InputError
from sapo_analysis.paper.html.chips import Badge, Chip, chip, chips, with_minus
from sapo_analysis.paper.html.claims import Claim
from sapo_analysis.paper.html.head import Head, about, made_with, states
from sapo_analysis.paper.html.table import MISSING, Cell, Column, Table, column, table
from sapo_analysis.paper.numbers import ParaphraseNumbers
from sapo_analysis.paper.options import Options

QUESTIONS = {
    "generalization": "Does a prompt the model already finds easy make it generalize better?",
    "in_task": "Does a prompt the model already finds easy teach the task better?",
}
FORGETTING_QUESTION = "Does a prompt the model already finds easy make it forget less?"


def head(numbers: ParaphraseNumbers) -> Head:
    """The top of the page; while nothing was measured it says so."""
    runs = numbers.runs
    question, cautions = FORGETTING_QUESTION, [numbers.silent]
    leading: tuple[Chip, ...] = ()
    size: tuple[Badge, ...] = ()
    try:
        outcome = numbers.outcome(Options())
        question = QUESTIONS.get(outcome.name, FORGETTING_QUESTION)
        estimate, verdict = _lead(numbers)
        headline = analysis.sentence(estimate, verdict)
        leading = (chip(verdict),) if verdict else ()
        size = (Badge(_size(numbers), "Current tasks · prompts per task · main seeds."),)
        cautions += numbers.warnings
    except InputError as error:
        headline = str(error)
    joined = [Badge(f"{len(runs)} runs joined")] if len(runs) > 1 else []
    return Head(
        question,
        headline,
        leading,
        (),
        f"{made_with(runs[0])} Not causation, not other models.",
        (*size, *joined, *states(runs)),
        about(runs),
        tuple(dict.fromkeys(filter(None, cautions))),
    )


def is_measured(numbers: ParaphraseNumbers) -> bool:
    """Whether any trial has ended."""
    try:
        return not numbers.df.empty
    except InputError:
        return False


def claims(numbers: ParaphraseNumbers) -> list[Claim]:
    """Every claim: its number, its verdicts in score form, and its sentence with both forms."""
    judged = _judged(numbers)
    found = []
    for said in analysis.claim_sentences(numbers.verdicts, numbers.df, list(numbers.runs)):
        pair = [v for v in judged if v.claim == said.claim and v.form == "score"]
        value, interval, n = _texts(pair) if pair else ("", "", "")
        term = entry(said.claim)
        shown = () if numbers.silent else chips(pair)
        if pair and not pair[0].estimate.n_tasks:
            shown = ()  # nothing was estimated: no verdict
        sentence, warnings = with_minus(said.sentence), tuple(map(with_minus, said.warnings))
        found.append(Claim(term.label, term.help, value, interval, n, shown, sentence, warnings))
    return found


def claims_table(numbers: ParaphraseNumbers) -> Table:
    """Every claim in both forms and scopes, with number, interval, n, verdict and its reason."""
    rows = []
    for v in _judged(numbers):
        e = v.estimate
        interval = MISSING if math.isnan(e.lower) else f"{signed(e.lower)} to {signed(e.upper)}"
        row = [
            *(Cell(entry(v.claim).label), Cell(v.form), Cell(SCOPE_WORDS[v.scope])),
            *(Cell(signed(e.value), _known(e.value)), Cell(interval, _known(e.lower))),
            Cell(_unbroken(f"{e.n_tasks} × {e.n_prompts} × {e.n_seeds}"), e.n_tasks),
        ]
        if not numbers.silent:
            row += [Cell("", chip=chip(v, v.verdict)), Cell(with_minus(v.reason))]
        rows.append(row)
    columns = [
        *(column("claim"), column("form"), Column("scope", "new tasks, or these tasks only")),
        *(column("estimate", is_number=True), Column("95 %", "Its interval.", is_number=True)),
        column("n"),
    ]
    if not numbers.silent:
        columns += [Column("verdict"), Column("reason")]
    return table(
        "claims",
        "Every verdict",
        columns,
        rows,
        "n: current tasks × prompts of a task × main seeds. Alike in-task, unlike elsewhere: the"
        " natural log of a ratio of spreads; the others: r.",
        numbers.silent,
    )


def terms(numbers: ParaphraseNumbers) -> list[str]:
    """The terms of the glossary that the text rests on."""
    of_outcomes = [o.score for o in numbers.outcomes]
    of_claims = [v.claim for v in _judged(numbers)]
    return ["pre_update_loss", *of_outcomes, *of_claims, "these_interval", "new_interval"]


def _judged(numbers: ParaphraseNumbers) -> list[Verdict]:
    """Every claim's numbers, also where no verdict may be given of them."""
    return numbers.verdicts or numbers.unjudged


def _lead(numbers: ParaphraseNumbers) -> tuple[Estimate, Verdict | None]:
    """The estimate that the headline reads out: of these tasks while new ones are too few."""
    new, these = numbers.means(Options())
    claim = numbers.outcome(Options()).claim
    own = {v.scope: v for v in numbers.verdicts if v.claim == claim and v.form == "score"}
    verdict = own.get("new_tasks")
    few = new.n_tasks < MIN_TASKS if verdict is None else verdict.verdict == "too few"
    return (these, own.get("these_tasks")) if few else (new, verdict)


def _size(numbers: ParaphraseNumbers) -> str:
    main = numbers.df[numbers.df["purpose"] == "main"]
    n_prompts = main.groupby("current_task")["prompt_id"].nunique()
    low, high = int(n_prompts.min()), int(n_prompts.max())
    n = f"{low}" if low == high else f"{low}–{high}"
    n_seeds = len(main[["state_seed", "seed"]].drop_duplicates())
    tasks, seeds = counted(len(n_prompts), "task"), counted(n_seeds, "seed")
    return f"{tasks} · {n} prompts · {seeds}"


def _texts(pair: list[Verdict]) -> tuple[str, str, str]:
    """Number, interval, n. The interval is that of the verdict that leads."""
    lead = min(pair, key=lambda v: (v.verdict == "too few", v.scope != "new_tasks"))
    e = lead.estimate
    if not e.n_tasks:
        return MISSING, "Not enough prompts that differ.", ""
    n = f"n = {counted(e.n_tasks, 'task')} × {e.n_prompts} prompts × {counted(e.n_seeds, 'seed')}"
    scope = SCOPE_WORDS[lead.scope]
    if math.isnan(e.value):
        return MISSING, with_minus(lead.reason), n
    ratio = e.statistic == "log_sd_ratio"
    value = f"× {math.exp(e.value):.2f}" if ratio else f"r = {signed(e.value)}"
    if math.isnan(e.lower):
        return value, f"no interval for {scope}", n
    ends = [f"{math.exp(b):.2f}" if ratio else signed(b) for b in (e.lower, e.upper)]
    return value, f"95 % for {scope}: {ends[0]} to {ends[1]}", n


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
