"""Adding paraphrases: pasted, from a file, asked of an endpoint or of a model on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.wording import counted
from sapo_analysis.app.components.asking_models import Came, endpoint_panel, local_panel
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import own_folder
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.errors import InputError
from sapo_analysis.prompts import Prompt
from sapo_analysis.prompts.checks import Checked, Checker, checker_of
from sapo_analysis.prompts.paste import Candidate, parse_text, to_text
from sapo_analysis.prompts.request import MAX_WANTED, request_text
from sapo_analysis.prompts.upload import KINDS, parse_file
from sapo_analysis.store import is_read_only
from sapo_analysis.store.own_prompts import add_own_prompts
from sapo_analysis.tasks import Task

PASTE, ENDPOINT, MODEL = "paste", "endpoint", "model"
WAYS = {
    PASTE: "Paste or upload",
    ENDPOINT: "Ask an endpoint",
    MODEL: "Ask a model on this machine",
}
WORDS = {"use": "✓ use", "flagged": "? look", "refused": "✕ refused"}
WRAPPED = 66
"""Height of a row (pixels) in which texts run over several lines: above 64 Streamlit wraps them."""
MOST_ROWS = 12
"""More checked lines than this are scrolled."""
LONGEST_SHOWN = 400
"""Characters of a checked text in its table; the whole text is kept."""


def adding(
    task: Task, bank: Sequence[Prompt], own: Sequence[str], model: str, known: KnownTasks
) -> None:
    """Ask, paste, check, add; what was refused stays in sight with the reason."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Add paraphrases**", width="content")
        way = st.segmented_control(
            "From where",
            list(WAYS),
            default=PASTE,
            required=True,
            format_func=WAYS.__getitem__,
            key="way",
            label_visibility="collapsed",
            help="Whatever the source, every line goes through the same checks.",
        )
    checker = partial(checker_of, task, bank, own)
    if way == ENDPOINT:
        with st.container(border=True):
            endpoint_panel(task, bank[0].text, partial(_take, task, checker))
    elif way == MODEL:
        with st.container(border=True):
            local_panel(task, model, known, partial(_take, task, checker))
    else:
        left, right = st.columns(2, gap="medium")
        with left, st.container(border=True, height="stretch"):
            _request(task, bank[0].text)
        with right, st.container(border=True, height="stretch"):
            _input(task, checker)
    _results(task)


def _take(task: Task, checker: Callable[[], Checker], came: Came) -> None:
    """Check what a source gave; the table below shows it."""
    st.session_state.pop(_key("problem", task), None)
    if came.problem:
        st.session_state[_key("problem", task)] = came.problem
    found = [(came.source, checked) for checked in checker().check(came.candidates)]
    st.session_state[_key("checked", task)] = found
    st.session_state[_key("notes", task)] = {came.source: came.note}


def _request(task: Task, original: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.markdown("**1. Copy a request for any chatbot**", width="stretch")
        n = st.number_input(
            "Paraphrases wanted",
            1,
            MAX_WANTED,
            12,
            key="wanted",
            help="How many the request asks for.",
            width=140,
        )
    st.code(request_text(task, original, int(n)), language=None, wrap_lines=True, height=330)
    st.caption("The button at its top right copies it. Nothing is sent from here.")


def _input(task: Task, checker: Callable[[], Checker]) -> None:
    st.markdown("**2. Paste the reply, or upload a file**")
    st.text_area(
        "Paraphrases",
        key=_key("paste", task),
        height=190,
        help="One per line, or blocks parted by lines of ---. Numbers, bullets, quotation marks and"
        " a chatbot's comments are taken off.",
        placeholder="One per line, or blocks parted by ---",
        label_visibility="collapsed",
    )
    st.file_uploader(
        "File",
        list(KINDS),
        key=_file_key(task),
        help="TXT as pasted text; CSV with a column text or prompt; JSON or JSON lines with texts"
        " or objects with such a field. UTF-8, at most 1 MB.",
        max_upload_size=1,
        label_visibility="collapsed",
    )
    st.button(
        "Check",
        key="check",
        help="Look at each line; nothing is added yet.",
        type="primary",
        on_click=_check,
        args=(task, checker),
    )
    if came_of_it := _in_short(task):
        st.caption(f"{came_of_it}: see below.")


def _in_short(task: Task) -> str:
    """What the last check came to, said beside its button: the table may stand out of sight."""
    if st.session_state.get(_key("problem", task)):
        return "Not all of it could be read or kept"
    found: list[tuple[str, Checked]] = st.session_state.get(_key("checked", task), [])
    n = Counter(checked.verdict for _, checked in found)
    parts = (
        (n["use"], "can be added"),
        (n["flagged"], "to look at"),
        (n["refused"], "refused"),
    )
    return ", ".join(f"{count:,} {what}" for count, what in parts if count)


def _check(task: Task, checker: Callable[[], Checker]) -> None:
    for name in ("problem", "notes"):
        st.session_state.pop(_key(name, task), None)
    found: list[tuple[str, Checked]] = []
    one = checker()  # which remembers: what is pasted may not repeat what is uploaded
    try:
        for source, candidates in _given(task):
            found += [(source, checked) for checked in one.check(candidates)]
    except InputError as error:
        st.session_state[_key("problem", task)] = str(error)
    st.session_state[_key("checked", task)] = found


def _given(task: Task) -> list[tuple[str, list[Candidate]]]:
    """What was uploaded and pasted, each with its source.

    Raises:
        InputError: neither, or one cannot be read.
    """
    given = []
    file = st.session_state.get(_file_key(task))
    text = st.session_state.get(_key("paste", task)) or ""
    if file is not None:
        given.append(("uploaded", parse_file(file.name, file.getvalue())))
    if text.strip() or file is None:
        given.append(("pasted", parse_text(text)))
    return given


def _results(task: Task) -> None:
    if problem := st.session_state.get(_key("problem", task)):
        st.error(md(problem), icon=":material/error:")
    found: list[tuple[str, Checked]] = st.session_state.get(_key("checked", task), [])
    if not found:
        return
    shown = pd.DataFrame(
        {
            "check": WORDS[checked.verdict],
            "place": checked.place,
            "text": _short(checked.text),
            "reasons": "; ".join(checked.reasons),
        }
        for _, checked in found
    )
    st.dataframe(
        shown,
        hide_index=True,
        key=f"checked-table-{task.name}",
        row_height=WRAPPED,
        height="content" if len(found) <= MOST_ROWS else MOST_ROWS * WRAPPED,
        alt="What was given, line by line, with what becomes of it and why.",
        column_config=columns(
            shown.columns, widths={"check": 90, "place": 85, "text": 220, "reasons": 240}
        ),
    )
    _add(task, found)


def _add(task: Task, found: list[tuple[str, Checked]]) -> None:
    by_verdict = {verdict: [c.text for _, c in found if c.verdict == verdict] for verdict in WORDS}
    use, flagged = by_verdict["use"], by_verdict["flagged"]
    with st.container(horizontal=True, vertical_alignment="center"):
        with_flagged = bool(flagged) and st.checkbox(
            f"with the {len(flagged)} to look at",
            key=_key("flagged", task),
            help="They can be used; what speaks against them stays beside them in the table.",
        )
        wanted = [*use, *(flagged if with_flagged else [])]
        if is_read_only():
            st.caption("This server is read-only: download them and add them on your own machine.")
        elif wanted:
            st.button(
                f"Add {counted(len(wanted), 'prompt')}",
                key="add",
                help="Keeps them in your runs folder and offers them to studies.",
                type="primary",
                on_click=_keep,
                args=(task, found, set(wanted)),
            )
        if wanted:
            st.download_button(
                "Download",
                to_text(wanted),
                f"{task.name}-paraphrases.txt",
                "text/plain",
                key="download-checked",
                help="The same prompts as a text file that can be uploaded again.",
                on_click="ignore",
            )
        if refused := len(by_verdict["refused"]):
            st.caption(f"{counted(refused, 'line')} refused.")


def _keep(task: Task, found: list[tuple[str, Checked]], wanted: set[str]) -> None:
    notes: dict[str, str] = st.session_state.get(_key("notes", task), {})
    try:
        for source in dict.fromkeys(s for s, _ in found):
            texts = [c.text for s, c in found if s == source and c.text in wanted]
            if texts:
                note = notes.get(source, "")
                add_own_prompts(own_folder(), task.name, texts, source, note=note)
    except InputError as error:
        st.session_state[_key("problem", task)] = str(error)
        return
    st.session_state.pop(_key("problem", task), None)
    # What was refused or left out stays in sight until the next check.
    st.session_state[_key("checked", task)] = [
        (s, c) for s, c in found if c.verdict == "refused" or c.text not in wanted
    ]
    st.session_state[_key("paste", task)] = ""
    st.session_state[_key("files", task)] = st.session_state.get(_key("files", task), 0) + 1


def _file_key(task: Task) -> str:
    """Another one once a file was taken: the only way to empty the field."""
    return f"file-{task.name}-{st.session_state.get(_key('files', task), 0)}"


def _key(what: str, task: Task) -> str:
    return f"{what}-{task.name}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} …"
