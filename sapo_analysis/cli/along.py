"""Diagnostics of a report: the format, gradients, soft prompts, scores behind demonstrations."""

from __future__ import annotations

from typing import Any

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.method_names import strategy_words
from sapo_analysis.analysis.wording import counted, signed
from sapo_analysis.cli.block import Block, as_markdown
from sapo_analysis.cli.output import MISSING, show_table

Report = dict[str, Any]


def show_along(report: Report) -> None:
    """Print the blocks that a report has."""
    for block in along_blocks(report):
        show_table(block.title, block.columns, block.rows, block.note)


def along_markdown(report: Report) -> list[str]:
    """The same as Markdown: title, table and note of each."""
    return [
        part
        for block in along_blocks(report)
        for part in (f"**{block.title}**", as_markdown(block), block.note)
    ]


def along_blocks(report: Report) -> list[Block]:
    """Of what was measured; none of runs without diagnostics and demonstrations."""
    makers = {
        "format_rise": _format_block,
        "gradient_alignment": _gradient_block,
        "topology": _topology_block,
        "topology_associations": _association_block,
        "n_shots": _shots_block,
    }
    return [make(rows) for name, make in makers.items() if (rows := report.get(name))]


def _format_block(rows: list[Report]) -> Block:
    return Block(
        "Format ratio along the fine-tune",
        ["method", "first → last", "rise", "95 %", "verdict", "gold answers"],
        [
            [
                strategy_words(row["name"]),
                f"{_plain(row['before'], 2)} → {_plain(row['after'], 2)}",
                signed(row["value"], 2),
                _ends(row),
                row["verdict"] or MISSING,
                _plain(row["floor"], 2),
            ]
            for row in rows
        ],
        "Share of the other tasks' outputs in the tuned task's format, at the first and last look;"
        f" gold answers: the same of their right answers, the floor. 95 %: Student t over"
        f" {rows[0]['unit']}. n = {_n(rows[0])}.",
    )


def _gradient_block(rows: list[Report]) -> Block:
    return Block(
        "Gradient alignment along the fine-tune",
        ["method", "first → last", "floor"],
        [
            [
                strategy_words(row["name"]),
                f"{_plain(row['before'], 2)} → {_plain(row['after'], 2)}",
                _plain(row["floor"], 2),
            ]
            for row in rows
        ],
        "Cosine of the gradient with that of shuffled labels, mean over"
        f" {counted(rows[0]['n_modules'], 'module')} of the last layer; floor: what the shuffles"
        f" keep of the labels. n = {_n(rows[0])}.",
    )


def _topology_block(rows: list[Report]) -> Block:
    return Block(
        "Point cloud of the soft prompt along the fine-tune",
        ["method", "what", "first → last", "change", "95 %"],
        [
            [
                strategy_words(row["name"]),
                entry(row["series"]).label,
                f"{_plain(row['before'], 3)} → {_plain(row['after'], 3)}",
                signed(row["value"], 3),
                _ends(row, 3),
            ]
            for row in rows
        ],
        "Total persistence in units of the embedding, compactness 0 to 1, of a soft prompt's"
        " virtual tokens at the first and last look. 95 %: Student t over"
        f" {rows[0]['unit']}. n = {_n(rows[0])}.",
    )


def _association_block(rows: list[Report]) -> Block:
    return Block(
        "What the soft prompt's point cloud goes with at the end",
        ["method", "what", "with", "r", "95 %", "n"],
        [
            [
                strategy_words(row["name"]),
                entry(row["series"]).label,
                f"{entry(row['outcome']).label} ({row['role']})",
                signed(row["value"], 2),
                _ends(row),
                f"{counted(row['n_tasks'], 'task')} × {counted(row['n_prompts'], 'prompt')}",
            ]
            for row in rows
        ],
        "Pearson r over the training prompts of a task, then over tasks; 95 % for"
        f" {rows[0]['scope'].replace('_', ' ')}. Both are measured after the fine-tune; several are"
        " looked at, none is corrected for that.",
    )


def _shots_block(rows: list[Report]) -> Block:
    methods = [row for row in rows if row["n_tasks"] and row["name"] != "base model"] or rows
    return Block(
        "Scores by number of demonstrations",
        ["method", "demonstrations", "tuned task", "other tasks"],
        [
            [
                row["name"] if row["name"] == "base model" else strategy_words(row["name"]),
                str(row["n_shots"]),
                _plain(row["tuned_score_original"], 1),
                _plain(row["normalized_average_others"], 1),
            ]
            for row in rows
        ],
        f"0 to 100, at the end of the fine-tunes, with original prompts. n = {_n(methods[0])}.",
    )


def _plain(value: float | None, digits: int) -> str:
    return MISSING if value is None else signed(value, digits).removeprefix("+")


def _ends(row: Report, digits: int = 2) -> str:
    if row["lower"] is None:
        return MISSING
    return f"{signed(row['lower'], digits)} to {signed(row['upper'], digits)}"


def _n(row: Report) -> str:
    n_orders = row["n_orders"]
    of = counted(n_orders, "order") if n_orders else counted(row["n_prompts"], "prompt")
    return f"{counted(row['n_tasks'], 'tuned task')} × {of} × {counted(row['n_seeds'], 'seed')}"
