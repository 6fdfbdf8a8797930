"""Part 3 of the launch form: which prompts; how tasks are learned stands below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.app import own_prompts
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.launch_form import Form
from sapo_analysis.app.components.launch_methods import method_part, strategies_part
from sapo_analysis.app.components.launch_parts import heading
from sapo_analysis.app.components.links import link
from sapo_analysis.app.components.text import md
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.errors import InputError
from sapo_analysis.model_files import ModelFiles
from sapo_analysis.plan import AnyPlan
from sapo_analysis.prompts import Prompt, get_prompts
from sapo_analysis.prompts.select import select_prompts

NUMBER, SOURCES, CHOSEN = "number", "sources", "chosen"
MODES = {NUMBER: "A number", SOURCES: "By source", CHOSEN: "One by one"}
UNEVEN = 2.0
"""Prompts of a task whose lengths differ by more than this factor differ in more than wording."""


@dataclass(frozen=True)
class Offer:
    """The paraphrases that tasks offer: of the bank, and of the user's own."""

    bank: Mapping[str, list[Prompt]]
    own: Mapping[str, list[str]]
    damage: str

    @property
    def usable(self) -> dict[str, int]:
        """How many of each task."""
        return {task: len(self.bank[task]) - 1 + len(self.own.get(task, ())) for task in self.bank}


def offer(files: ModelFiles | None, known: KnownTasks) -> Offer:
    """What can be trained with: not test-only, and not marked as not equivalent."""
    folder = None if files is None else files.pretrained_folder
    bank, own, damage = {}, {}, ""
    for task in known.tasks:
        excluded: set[str] = set()
        try:
            mine = own_prompts.own_prompts(task)
            excluded = mine.excluded
            if mine.usable:
                own[task] = mine.usable
        except InputError as error:
            damage = str(error)
        original, *rest = get_prompts(known.tasks[task], folder)
        bank[task] = [original, *(p for p in rest if not p.test_only and p.text not in excluded)]
    return Offer(bank, own, damage)


def trained_tasks(made: Form, offered: Offer) -> list[str]:
    """The tasks that are trained with the prompts, as far as they are known."""
    if made.question == "sequence":
        names = made.value("orders")[0]
    else:
        names = list(made.value("current"))
        if made.value("rotate"):
            names = [*made.value("past"), *names, *made.value("unseen")]
    return [name for name in dict.fromkeys(names) if name in offered.bank]


def prompts_part(made: Form, offered: Offer) -> st.delta_generator.DeltaGenerator:
    """Draw the part; returns the place for what it comes to, which the plan knows."""
    race = made.question == "sequence"
    heading("3", f"Prompts and {'strategies' if race else 'method'}", "prompts")
    tasks = trained_tasks(made, offered)
    left, right = st.columns([1, 1], gap="large")
    with left:
        _paraphrases(made, offered, tasks)
        _own(made, offered, tasks)
    with right:
        place = st.container()
    if race:
        strategies_part(made)
    else:
        method_part(made)
    return place


def _mode(value: Any) -> str:
    if isinstance(value, dict):
        return SOURCES
    return CHOSEN if isinstance(value, list | tuple) else NUMBER


def _paraphrases(made: Form, offered: Offer, tasks: Sequence[str]) -> None:
    key = made.key("prompts-mode")
    st.session_state.setdefault(key, _mode(made.value("prompts")))
    mode = st.segmented_control(
        "Paraphrases beside the original",
        list(MODES),
        required=True,
        format_func=MODES.__getitem__,
        key=key,
        help="A number is spread evenly over how often pretraining showed the paraphrases, so that"
        " a few still span familiar to new ones.",
        on_change=_change_mode,
        args=(made, key, offered, tuple(tasks)),
    )
    if mode == SOURCES:
        _by_source(made, offered, tasks)
    elif mode == CHOSEN:
        _one_by_one(made, offered, tasks)
    else:
        # What the box shows may be of another mode for the one run in which the mode changes.
        shown = made.show("prompts", lambda value: value if isinstance(value, int) else 6)
        n = st.number_input(
            "Paraphrases of each task", step=1, key=shown, help="Beside the original."
        )
        made.put("prompts", int(n or 0))


def _change_mode(made: Form, key: str, offered: Offer, tasks: Sequence[str]) -> None:
    """Say the same choice in the other way, as far as it can be said."""
    value, mode = made.value("prompts"), st.session_state[key]
    chosen = {task: _chosen(offered, task, value) for task in tasks}
    most = max((len(ids) for ids in chosen.values()), default=0)
    if mode == CHOSEN:
        made.put("prompts", [prompt_id for ids in chosen.values() for prompt_id in ids])
    elif mode == SOURCES:
        made.put("prompts", {"seen": (most + 1) // 2, "novel": most // 2})
    else:
        made.put("prompts", most or 6)
    for name in ("prompts", "prompts.seen", "prompts.novel"):
        st.session_state.pop(made.key(name), None)


def _chosen(offered: Offer, task: str, value: Any) -> list[str]:
    """Ids of the paraphrases of a task that a setting stands for; none where it asks too much."""
    try:
        found = select_prompts(offered.bank[task], value)
    except InputError:
        ids = {p.prompt_id for p in offered.bank[task]}
        return [i for i in value if i in ids] if isinstance(value, list) else []
    return [prompt.prompt_id for prompt in found[1:]]


def _by_source(made: Form, offered: Offer, tasks: Sequence[str]) -> None:
    value = made.value("prompts")
    counts = dict(value) if isinstance(value, dict) else {}
    sources = dict.fromkeys(p.source for task in tasks for p in offered.bank[task][1:])
    found = {}
    with st.container(horizontal=True):
        for source in dict.fromkeys([*sources, *counts]):
            key = made.key(f"prompts.{source}")
            st.session_state.setdefault(key, int(counts.get(source, 0)))
            n = st.number_input(
                md(source.capitalize()),
                step=1,
                key=key,
                help={
                    "seen": "Paraphrases that the shipped models met in pretraining.",
                    "novel": "Paraphrases that they never met.",
                }.get(source, "Paraphrases of this source."),
                width=120,
            )
            if n or source in counts:
                found[source] = int(n or 0)
    made.put("prompts", found)


def _one_by_one(made: Form, offered: Offer, tasks: Sequence[str]) -> None:
    if not tasks:
        st.caption("Choose a current task first.")
        return
    value = made.value("prompts")
    ids = list(value) if isinstance(value, list) else []
    task = str(
        st.selectbox(
            "Prompts of",
            list(tasks),
            key=made.key("prompts-task"),
            help="Each task has prompts of its own.",
        )
        or tasks[0]
    )
    bank = offered.bank[task][1:]
    key = made.key(f"choose-{task}")
    rows = st.session_state.setdefault(
        f"{key}-rows",
        pd.DataFrame(
            {
                "use": [p.prompt_id in ids for p in bank],
                "text": [p.text for p in bank],
                "source": [p.source for p in bank],
                "prompt_id": [p.prompt_id for p in bank],
            }
        ),
    )
    edited = st.data_editor(
        rows,
        key=key,
        hide_index=True,
        height=240,
        disabled=["text", "source", "prompt_id"],
        column_config={
            **columns(["text", "source", "prompt_id"], widths={"text": "large"}),
            "use": st.column_config.CheckboxColumn("train", help="Train the task with it."),
        },
        alt=f"The paraphrases of {task}, to be chosen from.",
    )
    mine = set(rows["prompt_id"])
    wanted = set(edited.loc[edited["use"], "prompt_id"])
    kept = [i for i in ids if i not in mine or i in wanted]
    made.put("prompts", [*kept, *(i for i in edited["prompt_id"] if i in wanted - set(ids))])


def _own(made: Form, offered: Offer, tasks: Sequence[str]) -> None:
    """Use prompts of one's own, which live on the page Tasks & prompts."""
    if offered.damage:
        st.warning(md(offered.damage), icon=":material/broken_image:")
    held: dict[str, list[str]] = made.value("own_prompts")
    options = [t for t in tasks if t in offered.own or held.get(t)]
    if options:
        key = made.key("own")
        st.session_state.setdefault(key, [t for t in options if held.get(t)])
        # A task that is current no more takes its prompts along.
        st.session_state[key] = [t for t in st.session_state[key] if t in options]
        chosen = st.pills(
            "Prompts of your own",
            options,
            selection_mode="multi",
            key=key,
            help="Adds your paraphrases of these tasks to those above.",
        )
        start: dict[str, list[str]] = made.start.settings["own_prompts"]
        made.put(
            "own_prompts",
            {t: held.get(t) or start.get(t) or offered.own[t] for t in options if t in chosen},
        )
    elif held:
        made.put("own_prompts", {})
    link(
        "tasks",
        "Paste, upload or read prompts",
        ":material/edit_note:",
        "Tasks & prompts, where your own paraphrases are kept. This form waits for you.",
        **({"task": tasks[0]} if tasks else {}),
    )


def summary(plan: AnyPlan, offered: Offer) -> None:
    """What each task is trained with, and whether length is mixed up with wording."""
    rows, uneven = [], []
    for task, prompts in plan.prompts.items():
        lengths = [len(prompt.text.split()) for prompt in prompts]
        if max(lengths) > UNEVEN * min(lengths):
            uneven.append(f"{task} ({min(lengths)} to {max(lengths)} words)")
        usable = offered.usable.get(task, 0)
        rows.append(
            {
                "task": task,
                "taken": f"original + {len(prompts) - 1} of {usable} usable",
                "n_words": f"{min(lengths)} to {max(lengths)}",
            }
        )
    table = pd.DataFrame(rows)
    st.dataframe(
        table,
        hide_index=True,
        height=248 if len(rows) > 6 else "content",
        column_config=columns(table.columns),
        alt="Each trained task with the number of its prompts and their lengths.",
    )
    if uneven:
        st.warning(
            f"Lengths differ over {UNEVEN:g} times: {md(', '.join(uneven))}. A confound: what"
            " length does looks like what wording does.",
            icon=":material/straighten:",
        )
    marked = [
        f"{task} {prompt.prompt_id}"
        for task, prompts in plan.prompts.items()
        for prompt in prompts[1:]
        if prompt.source != "own" and prompt not in offered.bank[task]
    ]
    if marked:
        st.warning(
            f"Marked as not equivalent, and in this study: {md(', '.join(marked[:8]))}. Choose"
            " prompts one by one to leave them out.",
            icon=":material/block:",
        )
