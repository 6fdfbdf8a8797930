"""What FINDINGS says of the studies of methods, as tables made from their runs.

`python -m tests.method_findings` prints them.
"""

from sapo_analysis.analysis import methods_compared
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


def blocks():
    """Every table that FINDINGS quotes."""
    found = [rise_table(), curve_table(), differences_table(format_runs())]
    if runs := sequence_runs():
        found += [scores_table(runs), differences_table(runs)]
    return found


if __name__ == "__main__":
    print("\n\n".join(blocks()))
