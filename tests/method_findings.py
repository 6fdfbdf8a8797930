"""What FINDINGS says of the studies of methods, as tables made from their runs.

`python -m tests.method_findings` prints them.
"""

from sapo_analysis.analysis import methods_compared
from sapo_analysis.analysis.methods_compared.chain_scores import ChainScores
from sapo_analysis.analysis.methods_compared.paired import outcomes
from sapo_analysis.analysis.methods_compared.seed_spread import seed_spreads, spread_ratio
from sapo_analysis.analysis.wording import signed
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.tables import table
from sapo_analysis.store import CACHED_RUNS, Run, list_runs


def runs_named(start):
    """The shipped runs of the studies whose names begin so, in their order."""
    found = [run for run in list_runs([CACHED_RUNS]) if isinstance(run, Run)]
    named = [run for run in found if run.study.name.startswith(start)]
    return sorted(named, key=lambda run: run.study.name)


def format_runs():
    """Fine-tuning of all weights and ProMoT, on the same label tasks."""
    return runs_named("pocket-1-format-")


def sequence_runs():
    """SAPO and ProMoT, alone and together."""
    return runs_named("pocket-1-promot-order-")


def side_by_side_runs():
    """Methods beside each other, each in a run of its own."""
    return runs_named("pocket-1-methods-")


def _markdown(head, rows):
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rise_table():
    """The format ratio before and after, with the verdict on its rise."""
    found = methods_compared.format_rise(format_runs())
    head = ["method", "before", "after", "rise", "95 %, new tasks", "verdict"]
    rows = [
        [
            row["method"],
            f"{row['before']:.2f}",
            f"{row['after']:.2f}",
            signed(row["value"]),
            f"{signed(row['lower'])} to {signed(row['upper'])}",
            row["verdict"],
        ]
        for row in found.to_dict("records")
    ]
    return _markdown(head, rows)


def curve_table():
    """Tuned score and format ratio every 20 steps; ProMoT's stage 1 is its first 100."""
    found = methods_compared.format_curves(format_runs())
    wide = found.pivot(index="step", columns=["name", "series"], values="value")
    columns = [(m, s) for m in ("full", "promot") for s in ("tuned_score", "format_ratio")]
    head = ["step", *(f"{m}, {s.replace('_', ' ')}" for m, s in columns)]
    rows = []
    for step, row in wide.iterrows():
        cells = [row[c] for c in columns]
        texts = [
            "" if v != v else f"{v:.1f}" if s == "tuned_score" else f"{v:.2f}"
            for v, (_, s) in zip(cells, columns, strict=True)
        ]
        rows.append([str(step), *texts])
    return _markdown(head, rows)


def differences_table(runs):
    """Methods against plain fine-tuning, as `sapo export` makes the table."""
    text = table("method_differences", numbers_of(runs)).to_markdown()
    return "\n".join(line for line in text.splitlines() if line.startswith("|"))


def scores_table(runs):
    """The methods table, as `sapo export` makes it."""
    text = table("methods", numbers_of(runs)).to_markdown()
    return "\n".join(line for line in text.splitlines() if line.startswith("|"))


def on_prompt_tuning_table():
    """What each idea adds to prompt tuning, and the spread over seeds beside its."""
    runs = side_by_side_runs()
    found = methods_compared.paired_difference(runs, "prompt-tuning")
    ratios = spreads_over_prompt_tuning(runs)
    head = ["method", *OUTCOMES.values(), "spread over seeds ÷"]
    rows = []
    for name, own in found.groupby("name", sort=False):
        if name in ("lora", "prompt-tuning"):
            continue
        by = own.set_index("outcome")
        cells = [
            f"{signed(one['value'], 1)} \\[{signed(one['lower'], 1)}, {signed(one['upper'], 1)}\\]"
            f" {one['verdict']}"
            for one in (by.loc[outcome] for outcome in OUTCOMES)
        ]
        ratio = ratios[name]
        spread = f"{ratio.value:.2f} \\[{ratio.lower:.2f}, {ratio.upper:.2f}\\]"
        rows.append([str(name), *cells, spread])
    return _markdown(head, rows)


OUTCOMES = {
    "tuned_score": "tuned score",
    "forgetting_retained": "forgetting, retained tasks",
    "generalization": "generalization",
}
"""What the methods are declared to be compared in."""


def spreads_over_prompt_tuning(runs):
    """Spread of the tuned score over seeds ÷ that of prompt tuning, by method."""
    known = methods_compared.sides(runs)
    values = outcomes(known, ChainScores())
    mine = values[values["outcome"] == "tuned_score"]
    spreads = seed_spreads(mine, ["name"], in_sequence=False)
    base = spreads["prompt-tuning",]
    return {name: spread_ratio(own, base) for (name,), own in spreads.items()}


def topology_table():
    """Soft prompts before the first step and after the last, by method."""
    found = methods_compared.topology_curves(side_by_side_runs())
    ends = found[found["step"].isin([0, found["step"].max()])]
    wide = ends.pivot(index="name", columns=["series", "step"], values="value")
    series = ("h0_persistence", "h1_persistence", "compactness")
    head = ["method", *(f"{SERIES[one]}, step {step}" for one in series for step in (0, 100))]
    rows = [
        [str(name), *(f"{row[one, step]:.2f}" for one in series for step in (0, 100))]
        for name, row in wide.iterrows()
    ]
    return _markdown(head, rows)


SERIES = {"h0_persistence": "H0", "h1_persistence": "H1", "compactness": "compactness"}


def beside_lora_table():
    """Every method with the original prompts beside LoRA with them, and what it costs."""
    found = methods_compared.comparison(side_by_side_runs())
    own = found[found["policy"] == "original"]
    head = ["method", *OUTCOMES.values(), "tokens read ÷", "values trained"]
    rows = []
    for _, one in own.groupby("name", sort=False):
        by = one.set_index("outcome")
        cells = []
        for outcome in OUTCOMES:
            row = by.loc[outcome]
            gap = (
                ""
                if row["is_reference"]
                else f" ({signed(row['difference'], 1)} \\[{signed(row['lower'], 1)},"
                f" {signed(row['upper'], 1)}\\])"
            )
            cells.append(f"{row['value']:.1f}{gap}".replace("-", "−"))
        first = one.iloc[0]
        costs = [f"{first['tokens_ratio']:.2f}", f"{first['trained_values']:,.0f}"]
        rows.append([str(first["method"]), *cells, *costs])
    return _markdown(head, rows)


def blocks():
    """Every table that FINDINGS quotes."""
    found = [rise_table(), curve_table(), differences_table(format_runs())]
    if runs := sequence_runs():
        found += [scores_table(runs), differences_table(runs)]
    return [*found, on_prompt_tuning_table(), beside_lora_table(), topology_table()]


if __name__ == "__main__":
    print("\n\n".join(blocks()))
