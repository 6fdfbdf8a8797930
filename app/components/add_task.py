"""A task of one's own: rows from a file, what they are, and what the model will read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.wording import counted
from sapo_analysis.app.components.acting import say
from sapo_analysis.app.components.columns import columns as column_config
from sapo_analysis.app.components.task_list import choose
from sapo_analysis.app.components.text import md, refused
from sapo_analysis.app.data import own_folder
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.app.new_task import (
    LOOKED_AT,
    Look,
    card_of,
    in_memory,
    likely_answers,
    likely_columns,
    likely_name,
    look_at,
    tried,
)
from sapo_analysis.errors import InputError
from sapo_analysis.prompts import user_message
from sapo_analysis.store import is_read_only, refuse_if_read_only
from sapo_analysis.tasks import SPLITS, Example, Split
from sapo_analysis.tasks.adding import Added, add_task, gather
from sapo_analysis.tasks.card import Columns, TaskCard
from sapo_analysis.tasks.choosing import metric_for, new_tokens_for
from sapo_analysis.tasks.metrics import DEFINITIONS, METRICS, pairing_warnings
from sapo_analysis.tasks.sampling import KEEP
from sapo_analysis.tasks.tables import Table, read_table

KINDS = ["csv", "tsv", "jsonl", "json", "parquet"]
MAX_MB = 200
SHOWN = 10
TEMPLATE = (
    "input,target\n"
    '"The soup was cold and the waiter rude.",negative\n'
    '"A quiet room and a friendly host.",positive\n'
)
SEVERAL = "a text with several columns"


def adding_tab(known: KnownTasks) -> None:
    """Draw the form; the task is shown once it is added."""
    st.markdown("### Add a task")
    if is_read_only():
        st.info(
            "This server is read-only: add the task on your own machine, here or with"
            " `sapo add-task`.",
            icon=":material/lock:",
        )
        return
    st.markdown(
        "Rows of yours become a task that studies can learn, measure and forget. They are copied"
        " into your runs folder and stay there."
    )
    tables = _tables()
    if tables is None:
        return
    mark = tables["train"].sha256[:8]
    try:
        look = _look(tables["train"].sha256, tables["train"])
    except InputError as error:
        refused(str(error))
        return
    left, right = st.columns([1, 1], gap="large")
    with left:
        columns, labels = _columns(look, mark)
    try:
        examples = tried(look, columns, labels)
    except InputError as error:
        with right:
            refused(str(error))
        return
    with left:
        card = _words(look, tables["train"], columns, labels, examples, mark)
    with right:
        _preview(card, examples)
    _add(card, tables, known)


def _tables() -> dict[Split, Table] | None:
    """The uploaded files as tables, by split; None until there is one to train on."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.markdown("**1. Rows**, one example each", width="stretch")
        st.download_button(
            "Template",
            TEMPLATE,
            "task-template.csv",
            "text/csv",
            key="task-template",
            help="A CSV with two example rows.",
            icon=":material/download:",
            on_click="ignore",
        )
    given: dict[Split, Any] = {}
    given["train"] = _uploader("Rows", "train")
    with st.expander("Dev and test rows in files of their own"):
        st.caption("Without them 1 row in 13 is held out for dev, 2 in 13 for test.")
        for split in ("dev", "test"):
            given[split] = _uploader(split.capitalize(), split)
    found: dict[Split, Table] = {}
    for split in SPLITS:
        if given[split] is not None:
            try:
                found[split] = read_table(given[split].getvalue(), given[split].name)
            except InputError as error:
                refused(str(error))
                return None
    return found if "train" in found else None


def _uploader(label: str, split: str) -> Any:
    return st.file_uploader(
        label,
        KINDS,
        key=f"rows-{split}",
        max_upload_size=MAX_MB,
        help=f"CSV or TSV with a header, JSON lines, a JSON list, or parquet; UTF-8, at most"
        f" {MAX_MB} MB. Larger files: `sapo add-task` on the terminal.",
        label_visibility="visible" if split != "train" else "collapsed",
    )


@st.cache_resource(max_entries=4, show_spinner="Reading the rows …")
def _look(sha256: str, _table: Table) -> Look:
    return look_at(_table)


def _columns(look: Look, mark: str) -> tuple[Columns, list[str]]:
    """How a row becomes an example, and the closed set of answers where there is one."""
    n = f"{look.n:,}" if look.is_all else f"more than {LOOKED_AT:,}"
    st.markdown(f"**2. What a row holds** :gray[{n} rows, {len(look.columns)} columns]")
    likely_input, likely_target = likely_columns(look.columns)
    options = [*look.columns, SEVERAL]
    with st.container(horizontal=True):
        source = st.selectbox(
            "Input",
            options,
            options.index(likely_input),
            key=f"input-{mark}",
            help="The text that the model reads after the instruction.",
        )
        target = st.selectbox(
            "Answer",
            look.columns,
            look.columns.index(likely_target),
            key=f"target-{mark}",
            help="What it has to write.",
        )
    if source == SEVERAL:
        others = [name for name in look.columns if name != target]
        source = st.text_area(
            "Text with columns in braces",
            "\n".join(f"{name.capitalize()}: {{{name}}}" for name in others),
            key=f"template-{mark}",
            help="Each name in braces stands for the row's value; a list becomes lettered lines.",
        )
    answers, labels = _answers(look, str(target), mark)
    # A column without a name is named to the user when the rows are checked.
    return Columns(input=str(source) or " ", target=str(target) or " ", answers=answers), labels


def _answers(look: Look, target: str, mark: str) -> tuple[dict[str, str], list[str]]:
    """The words of a closed set of answers: the map from values, and the label words."""
    values = likely_answers(look, target)
    if not values:
        return {}, []
    is_closed = st.toggle(
        "A closed set of answers",
        value=True,
        key=f"closed-{mark}-{target}",
        help="The answers are labels, which every paraphrase keeps word for word. Off: free text.",
    )
    if not is_closed:
        return {}, []
    edited = st.data_editor(
        pd.DataFrame(
            {
                "value": values,
                "label": values,
                "rows_with_it": [look.values[target][value] for value in values],
            }
        ),
        key=f"answers-{mark}-{target}",
        hide_index=True,
        disabled=["value", "rows_with_it"],
        height="content" if len(values) < 7 else 248,
        alt="Each value of the answer's column, with the word that stands for it.",
        column_config=column_config(
            ["value", "label", "rows_with_it"], formats={"rows_with_it": "%d"}
        ),
    )
    words = [str(word or "").strip() for word in edited["label"]]
    if all(word.lstrip("-").isdecimal() for word in words):
        st.caption(
            ":material/edit: These labels are numbers. Write the words that the model should answer"
            " into the middle column, or keep them."
        )
    return dict(zip(values, words, strict=True)), list(dict.fromkeys(filter(None, words)))


def _words(
    look: Look,
    table: Table,
    columns: Columns,
    labels: Sequence[str],
    examples: Sequence[Example],
    mark: str,
) -> TaskCard | str:
    """The rest of the card; in words what is missing while it is not one."""
    st.markdown("**3. What is asked**")
    original = st.text_area(
        "Original prompt",
        key=f"original-{mark}",
        placeholder="Is the review positive or negative?",
        help="The instruction that the task comes with, in a sentence or two. It stands before"
        " the input; paraphrases are written of it.",
    )
    suffix = st.text_input(
        "Answer format, never paraphrased",
        key=f"suffix-{mark}",
        placeholder="none",
        help="A line after the input that says how to answer; may be empty.",
    )
    with st.container(horizontal=True):
        title = st.text_input(
            "Title", likely_name(table.name).replace("_", " "), key=f"title-{mark}", help="Shown."
        )
        name = st.text_input(
            "Name",
            likely_name(table.name),
            key=f"name-{mark}",
            help="In specs, commands and file names: letters, digits, '_', '-' and '.'.",
        )
    proposed = metric_for(labels, examples)
    most = new_tokens_for(row.target for row in examples)
    with st.container(horizontal=True):
        metrics = [m for m in METRICS if labels or m != "label_accuracy"]
        metric = st.selectbox(
            "Metric",
            metrics,
            metrics.index(proposed),
            key=f"metric-{mark}-{proposed}",
            format_func=lambda one: one.replace("_", " "),
            help=md(f"Proposed from the answers. {DEFINITIONS[proposed]}"),
        )
        tokens = st.number_input(
            "Longest answer",
            min_value=1,
            value=most,
            key=f"tokens-{mark}-{most}",
            help="Tokens that the model may write; it stops there.",
        )
    if not original.strip():
        return "Write the original prompt: what the task asks for."
    try:
        return card_of(
            name=name,
            title=title,
            original=original,
            suffix=suffix,
            columns=columns,
            labels=labels,
            metric=str(metric),
            max_new_tokens=int(tokens),
        )
    except InputError as error:
        return str(error)


def _preview(card: TaskCard | str, examples: Sequence[Example]) -> None:
    st.markdown("**What the model reads**, by the first row")
    prompt, suffix = "(the original prompt)", ""
    if isinstance(card, TaskCard):
        prompt, suffix = card.prompts.original, card.suffix
    first = examples[0]
    st.code(user_message(prompt, first.input, suffix), language=None, wrap_lines=True, height=190)
    st.markdown("**What it has to answer**")
    st.code(first.target, language=None, wrap_lines=True)
    shown = pd.DataFrame(
        [(row.input, row.target) for row in examples[:SHOWN]], columns=["input", "target"]
    )
    st.dataframe(
        shown,
        hide_index=True,
        key="tried",
        height="content",
        alt="The first rows as examples: input and answer.",
        column_config=column_config(shown.columns, widths={"input": 250, "target": 110}),
    )
    if isinstance(card, TaskCard):
        for warning in pairing_warnings(in_memory(card, examples)):
            st.warning(md(warning), icon=":material/rule:")


def _add(card: TaskCard | str, tables: dict[Split, Table], known: KnownTasks) -> None:
    if isinstance(card, str):
        refused(card)
    elif card.name in known.tasks:
        refused(f"There is a task {card.name!r} already. Give yours another name.")
        card = ""
    pressed = st.button(
        "Add the task",
        key="add-rows",
        type="primary",
        icon=":material/add:",
        disabled=isinstance(card, str),
        help="Reads and checks every row; where one is wrong, nothing is added. Of train"
        f" {KEEP['train']:,} rows are kept, of dev {KEEP['dev']:,}, of test {KEEP['test']:,}.",
    )
    if not pressed or isinstance(card, str):
        return
    try:
        with st.spinner("Checking every row …"):
            added = _written(card, tables)
    except InputError as error:
        refused(str(error))
        return
    say(f"Task {card.name} was added: {_in_words(added)}.")
    choose(card.name)
    st.rerun()


def _written(card: TaskCard, tables: dict[Split, Table]) -> Added:
    refuse_if_read_only("no task can be added")
    assert card.columns is not None
    rows = {split: table.rows() for split, table in tables.items()}
    found = gather(card.columns, card.labels, rows)
    files = {split: {"file": t.name, "sha256": t.sha256} for split, t in tables.items()}
    return add_task(own_folder(), card, found, {"files": files})


def _in_words(added: Added) -> str:
    found = added.gathered
    parts = [
        f"{counted(found.read, 'row')} read",
        ", ".join(f"{len(found.rows[split]):,} {split}" for split in SPLITS) + " kept",
    ]
    if found.repeated:
        parts.append(f"{found.repeated:,} said again what another said")
    if found.left_out:
        parts.append(f"{found.left_out:,} left out")
    return "; ".join(parts)
