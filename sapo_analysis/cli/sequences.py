"""Sequence runs as tables, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sapo_analysis.analysis.sequences import (
    LEAST,
    METRICS,
    SHORT,
    TEST_PROMPTS,
    TESTED,
    sizes_in_words,
)
from sapo_analysis.analysis.wording import counted, signed
from sapo_analysis.cli.along import along_blocks
from sapo_analysis.cli.block import Block, as_markdown
from sapo_analysis.cli.output import MISSING, show, show_table

Report = dict[str, Any]


def show_sequences(report: Report) -> None:
    """Print the findings of sequence runs."""
    for line in _head(report):
        show(line)
    for block in blocks(report):
        show_table(block.title, block.columns, block.rows, block.note)


def sequences_markdown(report: Report) -> str:
    """The same as Markdown."""
    parts = list(_head(report))
    for block in blocks(report):
        parts += [f"**{block.title}**", as_markdown(block), block.note]
    return "\n\n".join(part for part in parts if part)


def blocks(report: Report) -> list[Block]:
    """Every table that has rows."""
    found = [
        metrics_block(report),
        test_prompts_block(report),
        contrasts_block(report),
        chosen_block(report),
        cost_block(report),
        tasks_block(report),
        *along_blocks(report),
    ]
    return [block for block in found if block.rows]


def metrics_block(report: Report) -> Block:
    """Every metric of every strategy, with the test prompts that the report stands on."""
    kind = report["test_prompts"]
    by = {(row["strategy"], row["metric"]): row for row in _of(report["summary"], kind)}
    strategies = dict.fromkeys(strategy for strategy, _ in by)
    rows = [[s, *(_with_interval(by[s, m], _digits(m)) for m in METRICS)] for s in strategies]
    return Block(
        f"Metrics with {kind} test prompts",
        ["strategy", *SHORT.values()],
        rows,
        f"Mean (95 % over {_n(report)}; none below {LEAST}). Points; forgetting in loss: nats per"
        " token. BWT: averaged over stages as released; negative is forgetting. FWT: on tasks not"
        " learned yet.",
    )


def test_prompts_block(report: Report) -> Block:
    """AP of every strategy under each kind of test prompt."""
    by = {
        (row["strategy"], row["test_prompts"]): row
        for row in report["summary"]
        if row["metric"] == "ap"
    }
    kinds = [kind for kind in TEST_PROMPTS if any(k == kind for _, k in by)]
    rows = [
        [s, *(_with_interval(by[s, kind], 1) for kind in kinds)]
        for s in dict.fromkeys(strategy for strategy, _ in by)
    ]
    return Block(
        "AP by test prompts",
        ["strategy", *(f"{kind} prompts" for kind in kinds)],
        rows,
        "training: the prompt each task was learned with, of paft the original; test-only: never"
        " trained with. Better training must not hide in a better test prompt.",
    )


def contrasts_block(report: Report) -> Block:
    """What is tested: the primary contrast, then the others with Holm's correction."""
    kind = report["test_prompts"]
    tested = [row for row in _of(report["contrasts"], kind) if row["metric"] in TESTED]
    rows = [
        [
            f"{row['strategy']} − {row['reference']}",
            SHORT[row["metric"]],
            _signed(row["value"], 1),
            _bounds(row, 1),
            _p(row["p"]),
            "primary" if row["is_primary"] else _p(row["p_holm"]),
        ]
        for row in sorted(tested, key=lambda row: not row["is_primary"])
    ]
    n = sum(row["p_holm"] is not None for row in tested)
    if n:
        how = f"Holm: over the {n} contrasts beside the primary one."
    elif kind == "original":
        how = f"Nothing is tested with fewer than {LEAST} orders; p is uncorrected."
    else:
        how = "Nothing is tested without original test prompts; p is uncorrected."
    return Block(
        f"Contrasts with {kind} test prompts",
        ["strategy − reference", "metric", "difference", "95 %", "p", "Holm"],
        rows,
        f"Paired by order and seed. {how} With other test prompts: --json.",
    )


def chosen_block(report: Report) -> Block:
    """Per strategy that chooses, the prompt of each task that it chose most often."""
    by = {(row["strategy"], row["task"]): row for row in report["chosen"]}
    tasks = dict.fromkeys(task for _, task in by)
    rows = [
        [s, *(_most(by[s, task]) for task in tasks)]
        for s in dict.fromkeys(strategy for strategy, _ in by)
    ]
    return Block(
        "Chosen prompts",
        ["strategy", *tasks],
        rows,
        "The prompt chosen most often, how often, and of how many times the task was learned; -00"
        " is the original. All counts: --json. Texts and losses, stage by stage: Sequences in the"
        " app.",
    )


def cost_block(report: Report) -> Block:
    """What choosing cost, and how far the chosen prompt was from the lowest loss."""
    regret = {row["strategy"]: row for row in report["regret"]}
    rows = [
        [
            row["strategy"],
            _plain(row["choice_seconds"], 1),
            _plain(row["choice_examples"], 0),
            _plain(row["train_seconds"], 1),
            _percent(row["share"]),
            _percent(row["share_of_texts"]),
            _regret(regret.get(row["strategy"])),
        ]
        for row in report["cost"]
    ]
    return Block(
        "Cost of choosing, per sequence",
        [
            "strategy",
            "choosing (s)",
            "texts read",
            "training (s)",
            "share of time",
            "share of texts",
            "regret (stages)",
        ],
        rows,
        "Share: of choosing in choosing and training, by time (a stack's time is shared evenly) and"
        " by texts, where one trained on counts like one read. By time it grows with the number of"
        " strategies: compare within a run. Regret: loss of the chosen prompt − the lowest at that"
        " state (nats/token), mean over the stages where it is known, which are few where a policy"
        " does not look at losses.",
    )


def tasks_block(report: Report) -> Block:
    """Per strategy and task, with the report's test prompts: score just learned, and at the end."""
    kind = report["test_prompts"]
    by = {
        (row["strategy"], row["eval_task"]): row for row in _of(report["tasks_of_strategies"], kind)
    }
    tasks = dict.fromkeys(task for _, task in by)
    rows = [
        [s, *(f"{by[s, t]['just_learned']:.1f} → {by[s, t]['final']:.1f}" for t in tasks)]
        for s in dict.fromkeys(strategy for strategy, _ in by)
    ]
    base = ["base model", *(_plain(report["base"].get(task), 1) for task in tasks)]
    return Block(
        f"Score by task, with {kind} test prompts",
        ["strategy", *tasks],
        [base, *rows] if rows else [],
        "When just learned → after the last stage, over the same chains; a task that was learned"
        " last stands in both. Intervals and changes: --json.",
    )


def _head(report: Report) -> Iterator[str]:
    yield (
        f"Findings of {', '.join(report['run_id'])}: {report['model']}, {len(report['tasks'])}"
        f" tasks, {counted(len(report['orders']), 'order')},"
        f" {counted(len(report['seeds']), 'seed')}"
    )
    yield sizes_in_words(report)
    for run_id, text in report["about"].items():
        yield f"{run_id}: {text}"
    if report["no_verdict"]:
        yield report["no_verdict"]
    if report["primary"] is not None:
        yield report["primary"]["sentence"]
    elif not report["no_verdict"]:
        yield report["no_primary"]
    for row in report["state_adaptive"]:
        yield row["sentence"]
    for warning in report["warnings"]:
        yield f"Warning: {warning}"


def _n(report: Report) -> str:
    n = len(report["orders"])
    return f"{n} orders" if n > 1 else "the seeds of one order"


def _of(rows: Sequence[Report], kind: str) -> list[Report]:
    return [row for row in rows if row["test_prompts"] == kind]


def _with_interval(row: Report, digits: int) -> str:
    value, *ends = (_minus(row[name], digits) for name in ("value", "lower", "upper"))
    return value if row["lower"] is None else f"{value} ({' to '.join(ends)})"


def _minus(value: float | None, digits: int) -> str:
    """A number with a true minus where it is negative."""
    return _signed(value, digits).lstrip("+")


def _plain(value: float | None, digits: int) -> str:
    """A number that has no sign."""
    return MISSING if value is None else f"{value:,.{digits}f}"


def _bounds(row: Report, digits: int) -> str:
    if row["lower"] is None:
        return MISSING
    return f"{_signed(row['lower'], digits)} to {_signed(row['upper'], digits)}"


def _signed(value: float | None, digits: int) -> str:
    return MISSING if value is None else signed(value, digits)


def _p(value: float | None) -> str:
    if value is None:
        return MISSING
    return "< 0.001" if value < 0.0005 else f"{value:.3f}"


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.0f} %"


def _digits(metric: str) -> int:
    return 2 if metric == "forgetting_loss" else 1


def _most(row: Report) -> str:
    return f"{row['most']} ({row['prompts'][row['most']]} of {row['n']})"


def _regret(row: Report | None) -> str:
    return MISSING if row is None else f"{row['mean']:.3f} ({row['n_stages']})"
