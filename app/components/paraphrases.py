"""The tab with a task's prompts: the user's own, to be edited, and the bank, to be read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis import model_files, prompts
from sapo_analysis.analysis.wording import counted
from sapo_analysis.app import tokens
from sapo_analysis.app.components.adding import WRAPPED, adding
from sapo_analysis.app.components.alike import alike_panel, alike_words
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.data import own_folder
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.app.own_prompts import own_prompts, runs_with_marks
from sapo_analysis.errors import InputError
from sapo_analysis.prompts import Prompt
from sapo_analysis.prompts.checks import Checker, checker_of
from sapo_analysis.prompts.paste import Candidate
from sapo_analysis.store import is_read_only
from sapo_analysis.store.own_prompts import (
    OwnPrompts,
    change_own_prompt,
    mark_bank_prompt,
    remove_own_prompts,
    set_aside,
)
from sapo_analysis.tasks import Task

_MESSAGE = "own-prompts-message"
_EDITS = "own-prompts-edits"
_UNCOUNTED = "tokens-not-counted"
FINE = "OK"


def paraphrases_tab(task: Task, model: str, known: KnownTasks) -> None:
    """Own prompts, the place to add some, the bank, and what marks do to runs."""
    bank = _bank(task, model)
    if message := st.session_state.pop(_MESSAGE, None):
        st.warning(md(message), icon=":material/warning:")
    own = _own_or_damaged(task)
    checker = checker_of(task, bank)
    mine = [] if own is None else [prompt.text for prompt in own.prompts]
    place = st.container()
    adding(task, bank, mine, model, known)
    table = st.container()
    alike = alike_words(alike_panel(task, model, [*(p.text for p in bank), *mine], known))
    if own is not None:
        with place:
            _own_table(task, own, bank, model, checker, alike)
            _marked(task, own)
    with table:
        _bank_table(task, bank, own, model, checker, alike)
    _count(model, [*(prompt.text for prompt in bank), *mine])


def _bank(task: Task, model: str) -> list[Prompt]:
    try:
        return prompts.get_prompts(task, model_files.find_model(model).pretrained_folder)
    except InputError as error:
        st.warning(md(str(error)), icon=":material/warning:")
        return prompts.get_prompts(task, None)


def _own_or_damaged(task: Task) -> OwnPrompts | None:
    try:
        return own_prompts(task.name)
    except InputError as error:
        st.error(md(str(error)), icon=":material/broken_image:")
        if not is_read_only():
            st.button(
                "Set the file aside",
                key="set-aside",
                help="Renames it in its folder, so that a new one can be begun. Nothing is lost.",
                on_click=_set_aside,
                args=(task.name,),
            )
        return None


def _set_aside(task: str) -> None:
    try:
        st.session_state[_MESSAGE] = f"The file is now {set_aside(own_folder(), task)}."
    except InputError as error:
        st.session_state[_MESSAGE] = str(error)


def _own_table(
    task: Task,
    own: OwnPrompts,
    bank: Sequence[Prompt],
    model: str,
    checker: Checker,
    alike: Mapping[str, str],
) -> None:
    st.markdown(f"**Your own** ({counted(len(own.usable), 'prompt')} offered to studies)")
    if not own.prompts:
        st.caption("None yet. Add some below; they stay in your runs folder.")
        return
    shown = pd.DataFrame(
        {
            "use": prompt.use,
            "equivalent": prompt.equivalent,
            "text": prompt.text,
            "checks": _said(checker, prompt.text),
            **({"alike": alike.get(prompt.text)} if alike else {}),
            "n_tokens": n,
            "note": prompt.note,
            "source": prompt.source,
        }
        for prompt, n in zip(own.prompts, _counted(model, own), strict=True)
    ).astype({"n_tokens": "Int64"})
    key = f"own-{task.name}-{_stamp(shown)}"
    st.data_editor(
        shown,
        hide_index=True,
        key=key,
        placeholder=MISSING,
        num_rows="fixed" if is_read_only() else "delete",
        disabled=True if is_read_only() else ["source", "n_tokens", "checks", "alike"],
        row_height=WRAPPED,
        alt="Your own paraphrases of this task; texts, marks and notes can be edited.",
        column_config=columns(
            shown.columns,
            formats={"n_tokens": "%d"},
            widths={"text": 250, "checks": 130, "alike": 105, "note": 100},
            checks=["use", "equivalent"],
        ),
    )
    texts = [prompt.text for prompt in own.prompts]
    _apply(key, lambda edits: _change_own(task, bank, texts, edits))


def _counted(model: str, own: OwnPrompts) -> list[int | None]:
    return tokens.counts(model, [prompt.text for prompt in own.prompts])


def _change_own(
    task: Task, bank: Sequence[Prompt], texts: list[str], edits: dict[str, Any]
) -> None:
    """What was edited in the table of own prompts; rows stand for the texts as they were drawn."""
    for row, fields in edits["edited_rows"].items():
        text = texts[int(row)]
        changes = {name: "" if value is None else value for name, value in fields.items()}
        if "text" in changes:
            others = [other for other in texts if other != text]
            candidate = Candidate("the edited prompt", str(changes["text"]).strip())
            (found,) = checker_of(task, bank, others).check([candidate])
            if found.verdict == "refused":
                raise InputError(f"The edit was not taken: the text {'; '.join(found.reasons)}.")
            changes["text"] = found.text
        change_own_prompt(own_folder(), task.name, text, **changes)
    if gone := edits["deleted_rows"]:
        remove_own_prompts(own_folder(), task.name, [texts[int(row)] for row in gone])


def _bank_table(
    task: Task,
    bank: Sequence[Prompt],
    own: OwnPrompts | None,
    model: str,
    checker: Checker,
    alike: Mapping[str, str],
) -> None:
    offered = sum(not prompt.test_only for prompt in bank) - 1
    st.markdown(
        f"**The bank**: the original, {counted(offered, 'paraphrase')}, and"
        f" {len(bank) - 1 - offered} that nothing is trained with (test-only)"
    )
    marked = set() if own is None else set(own.not_equivalent)
    shown = pd.DataFrame(
        {
            "prompt_id": prompt.prompt_id,
            "text": prompt.text,
            "source": f"{prompt.source}, test-only" if prompt.test_only else prompt.source,
            "n_tokens": n,
            "frequency": prompt.frequency,
            "equivalent": prompt.text not in marked,
            **({"alike": alike.get(prompt.text)} if alike else {}),
            "checks": _said(checker, prompt.text),
        }
        for prompt, n in zip(bank, tokens.counts(model, [p.text for p in bank]), strict=True)
    ).astype({"n_tokens": "Int64", "frequency": "Int64"})
    key = f"bank-{task.name}-{_stamp(shown)}"
    fixed = own is None or is_read_only()
    st.data_editor(
        shown,
        hide_index=True,
        key=key,
        height=565 if len(shown) > 8 else "content",
        row_height=WRAPPED,
        placeholder=MISSING,
        disabled=True if fixed else [name for name in shown.columns if name != "equivalent"],
        alt="The prompts that come with this task.",
        column_config=columns(
            shown.columns,
            formats={"n_tokens": "%d", "frequency": "%d"},
            widths={"text": 240, "alike": 105},
            checks=["equivalent"],
        ),
    )
    _apply(key, lambda edits: _change_bank(task, bank, edits))


def _change_bank(task: Task, bank: Sequence[Prompt], edits: dict[str, Any]) -> None:
    for row, fields in edits["edited_rows"].items():
        prompt = bank[int(row)]
        if prompt.source == "original":
            raise InputError("The original says what the task is: it cannot be marked.")
        if "equivalent" in fields:
            mark_bank_prompt(own_folder(), task.name, prompt.text, bool(fields["equivalent"]))


def _apply(key: str, change: Any) -> None:
    """Make the edits of a table, then draw it anew: a keyed table keeps edits whose rows moved."""
    edits = st.session_state.get(key)
    if not edits or not any(edits.get(kind) for kind in ("edited_rows", "deleted_rows")):
        return
    try:
        change({"edited_rows": {}, "deleted_rows": [], **edits})
    except InputError as error:
        st.session_state[_MESSAGE] = str(error)
    st.session_state[_EDITS] = st.session_state.get(_EDITS, 0) + 1
    st.rerun()


def _stamp(shown: pd.DataFrame) -> str:
    rows = shown.to_csv(index=False)
    rows += str(st.session_state.get(_EDITS, 0))
    return hashlib.sha256(rows.encode("utf-8")).hexdigest()[:10]


def _said(checker: Checker, text: str) -> str:
    return "; ".join([*checker.refusals(text), *checker.flags(text)]) or FINE


def _marked(task: Task, own: OwnPrompts) -> None:
    """In which runs the prompts marked as not equivalent are."""
    if not own.excluded:
        return
    runs = runs_with_marks(task.name, own.excluded)
    said = f"{counted(len(own.excluded), 'prompt')} of this task marked as not equivalent."
    if runs:
        listed = ", ".join(f"{run_id} ({n} of {of})" for run_id, (n, of) in runs.items())
        said += (
            f" In {counted(len(runs), 'run')}: {listed}. Their results stay as they are; Explore"
            " gives r with these prompts and without them."
        )
    else:
        said += " No run here has any of them."
    st.info(md(said), icon=":material/rule:")


def _count(model: str, texts: Sequence[str]) -> None:
    """Count what has not been counted, once everything else is on the page."""
    failed: dict[str, str] = st.session_state.setdefault(_UNCOUNTED, {})
    if model in failed:
        st.caption(f"Tokens are not counted: {md(failed[model])}")
        return
    missing = [t for t, n in zip(texts, tokens.counts(model, texts), strict=True) if n is None]
    if not missing:
        return
    with st.spinner(f"Counting tokens as {md(model)} reads them …"):
        reason = tokens.count(model, missing)
    if reason:
        failed[model] = reason
    st.rerun()
