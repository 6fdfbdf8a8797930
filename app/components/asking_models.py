"""Paraphrases asked of a configured endpoint, or of a model on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from sapo_analysis import jobs, model_files
from sapo_analysis.analysis.wording import counted
from sapo_analysis.app.asking import answered, ask, forget
from sapo_analysis.app.components.text import md
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.errors import InputError, SapoError
from sapo_analysis.prompts import endpoints
from sapo_analysis.prompts.endpoints import Endpoint
from sapo_analysis.prompts.paste import Candidate
from sapo_analysis.prompts.replies import candidates_of
from sapo_analysis.prompts.request import MAX_WANTED
from sapo_analysis.prompts.wish import TEMPERATURE
from sapo_analysis.store import is_read_only
from sapo_analysis.tasks import Task

READ_ONLY = "This server is read-only: ask on your own machine, here or with `sapo paraphrase`."
KIND = "paraphrase"
PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True)
class Came:
    """What asking gave: candidates, where they are from, and what did not come."""

    candidates: list[Candidate]
    source: str
    note: str
    problem: str = ""


Take = Callable[[Came], None]


def endpoint_panel(task: Task, original: str, take: Take) -> None:
    """Choose an endpoint, see what asking costs, ask; `take` gets what came."""
    if is_read_only():
        st.info(READ_ONLY, icon=":material/lock:")
        return
    try:
        known = endpoints.read_endpoints()
    except InputError as error:
        first, *lines = str(error).splitlines()
        st.error(md(first), icon=":material/broken_image:")
        if lines:
            st.code("\n".join(lines), language=None, wrap_lines=True)
        return
    if not known:
        st.markdown(
            f"No endpoint is set up. They are read from `{endpoints.endpoints_path()}`: each has"
            " its address and says where its key is; a page can only choose among them. For"
            " example:"
        )
        st.code(endpoints.EXAMPLE, language="yaml")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Endpoint",
            list(known),
            key="endpoint",
            format_func=lambda one: f"{one} ({known[one].where})",
            help="Those of your file of endpoints, with the host that is asked.",
            width=260,
        )
        endpoint = known[str(name)]
        model = st.selectbox(
            "Model",
            endpoint.models,
            key=f"endpoint-model-{name}",
            help="Those that the file names for this endpoint.",
            width=240,
        )
        n, temperature = _how_many("endpoint")
    for warning in endpoint.warnings():
        st.warning(md(warning), icon=":material/lock_open:")
    if reason := endpoint.missing_key():
        st.warning(md(reason), icon=":material/key_off:")
        return
    settings = {"model": str(model), "temperature": temperature}
    try:
        budget = endpoints.budget_of(endpoint, task, original, n, **settings)
    except InputError as error:
        st.warning(md(str(error)), icon=":material/error:")
        return
    st.caption(
        md(budget.sentence),
        help="What is sent: the original prompt, the task's title and label words, and two"
        " training examples.",
    )
    sure = not budget.large or st.checkbox(
        "That is much: ask all the same", key=f"sure-{budget.sentence}", help="Calls cost money."
    )
    if st.button(
        f"Ask for {counted(n, 'paraphrase')}",
        key="ask-endpoint",
        type="primary",
        icon=":material/send:",
        disabled=not sure,
        help="Shows what comes back, line by line; nothing is added yet.",
    ):
        _ask_endpoint(endpoint, task, original, n, settings, take)


def _ask_endpoint(
    endpoint: Endpoint, task: Task, original: str, n: int, settings: dict[str, Any], take: Take
) -> None:
    bar = st.progress(0.0, f"Asking {md(endpoint.where)} …")

    def progress(done: int, total: int) -> None:
        bar.progress(done / total if total else 1.0, f"{done} of {counted(total, 'call')} answered")

    try:
        asked = endpoints.ask(endpoint, task, original, n, progress=progress, **settings)
    except SapoError as error:
        bar.empty()
        st.error(md(str(error)), icon=":material/cloud_off:")
        return
    failures = "\n".join(f"- {one.what}: {one.reason}" for one in asked.failures)
    problem = f"Not all of it came. {asked.cost.sentence}\n{failures}" if failures else ""
    take(Came(asked.candidates, asked.source, asked.note, problem))
    st.rerun()


def local_panel(task: Task, reader: str, known: KnownTasks, take: Take) -> None:
    """Choose a model of this machine and ask it; `take` gets what came."""
    if is_read_only():
        st.info(READ_ONLY, icon=":material/lock:")
        return
    if missing := jobs.missing_engine_packages():
        st.info(f"Nothing can be asked here: {md(', '.join(missing))} cannot be found.")
        return
    names = _writers()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = st.selectbox(
            "Model",
            names,
            names.index(reader) if reader in names else 0,
            key="local-model",
            help="A model that follows instructions writes paraphrases; the pocket models cannot.",
            width=300,
        )
        n, temperature = _how_many("local")
        seed = st.number_input(
            "Seed", 0, 2**31 - 1, 0, key="local-seed", help="Another seed, other words.", width=110
        )
    asked = {
        "model": str(model),
        "task": task.name,
        "n": n,
        "temperature": temperature,
        "seed": int(seed),
        "tasks_from": known.sources_of([task.name]),
    }
    if not answered(KIND, asked):
        st.button(
            f"Ask for {counted(n, 'paraphrase')}",
            key="ask-local",
            type="primary",
            icon=":material/memory:",
            help="Loads the model here; nothing leaves this machine, and nothing is added yet.",
            on_click=ask,
            args=(KIND, asked, PATIENCE_SECONDS),
        )
        return
    reply = ask(KIND, asked, PATIENCE_SECONDS)
    if reply.is_pending:
        st.caption(f":material/hourglass_top: {md(str(model))} is writing …")
        return
    forget(KIND, asked)
    if reply.answer is None:
        take(Came([], KIND, "", reply.error))
    else:
        given = enumerate(reply.answer["replies"], start=1)
        replies = {f"reply {i}": (one["text"], bool(one["cut_off"])) for i, one in given}
        note = f"temperature {temperature:g}, seed {int(seed)}"
        take(Came(candidates_of(replies), f"model {reply.answer['label']}", note))
    st.rerun()


def _writers() -> Sequence[str]:
    """Models that were trained: random weights write nothing."""
    return [m.name for m in model_files.list_models() if m.weights != "random"]


def _how_many(where: str) -> tuple[int, float]:
    n = st.number_input(
        "Paraphrases",
        1,
        MAX_WANTED,
        12,
        key=f"{where}-n",
        help="How many are asked for.",
        width=130,
    )
    temperature = st.number_input(
        "Temperature",
        0.0,
        2.0,
        TEMPERATURE,
        step=0.1,
        key=f"{where}-temperature",
        help="How freely words are chosen: 0 always the likeliest; higher varies more.",
        width=130,
    )
    return int(n), float(temperature)
