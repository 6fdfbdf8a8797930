"""What stands behind a cell of the matrices: prompts, losses and examples. Never empty."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from sapo_analysis import analysis
from sapo_analysis.analysis.sequences import Cell, cell_means
from sapo_analysis.analysis.wording import counted
from sapo_analysis.app import sequences
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import MISSING, diff, md
from sapo_analysis.app.data import Keys, opened
from sapo_analysis.app.state import CELL, check_link, clear_cell, select_cell, selected_cell
from sapo_analysis.errors import InputError
from sapo_analysis.plan import tasks_in
from sapo_analysis.spec import as_strategy

MOST_PROMPTS = 4
_KEYS = ("cell-strategy", "cell-stage", "cell-position")


def looked_at(scores: pd.DataFrame, first: str, order: str | None) -> tuple[Cell, bool]:
    """The cell that the link names, and True; else the task learned first at the end of `first`."""
    own = _measured(scores, order)
    known = set(zip(own["strategy"], own["stage"], own["position"], strict=True))
    asked = selected_cell()
    if asked in known and asked is not None:
        return Cell(*asked, order), True
    check_link(CELL, ())
    furthest = own.loc[own["strategy"] == first, "stage"].max() if len(own) else 0
    return Cell(first, 0 if pd.isna(furthest) else int(furthest), 1, order), False


def behind(keys: Keys, cell: Cell, is_chosen: bool, kind: str) -> None:
    """Choose a cell without a pointer; see its prompts, its examples, its chains."""
    _chooser(sequences.scores(keys), cell, is_chosen)
    try:
        chains = sequences.chains_behind(keys, cell, kind)
    except InputError as error:
        st.info(md(str(error)))
        return
    st.markdown(_sentence(cell, chains))
    left, right = st.columns([2, 3], gap="medium")
    with left:
        _prompts(chains, sequences.originals(keys), cell)
    with right:
        imported = any(run.is_imported for run in opened(keys))
        _examples(sequences.examples_behind(keys, cell), imported)
    _chains(chains, kind)


def _measured(scores: pd.DataFrame, order: str | None) -> pd.DataFrame:
    own = scores[~scores["is_final"]]
    return own if order is None else own[own["order"] == order]


def _chooser(scores: pd.DataFrame, cell: Cell, is_chosen: bool) -> None:
    own = _measured(scores, cell.order)
    furthest = {str(name): int(n) for name, n in own.groupby("strategy")["stage"].max().items()}
    n_tasks = int(scores["position"].max())
    # They show what the link says; a click on a cell changes that too.
    for key, value in zip(_KEYS, cell[:3], strict=True):
        st.session_state[key] = value
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.markdown("#### Behind a cell", width="content")
        st.selectbox(
            "Strategy of the cell",
            list(dict.fromkeys(scores["strategy"])),
            key=_KEYS[0],
            help="Whose chains. A click on a cell of a matrix chooses all three.",
            on_change=_take,
            args=(furthest,),
            width=200,
        )
        st.selectbox(
            "Measured",
            list(range(max(furthest.get(cell.strategy, 0), cell.stage) + 1)),
            format_func=lambda stage: f"after stage {stage}" if stage else "base model",
            key=_KEYS[1],
            help="How many tasks had been learned when it was measured: a row of the matrix.",
            on_change=_take,
            args=(furthest,),
            width=150,
        )
        st.selectbox(
            "Task of the cell",
            list(range(1, n_tasks + 1)),
            format_func=lambda position: _name(position, cell.order),
            key=_KEYS[2],
            help="By when it is learned; with one order chosen above, by name.",
            on_change=_take,
            args=(furthest,),
            width=150,
        )
        if is_chosen:
            st.button(
                "Clear selection",
                key="clear-cell",
                help="Back to the task learned first, at the end.",
                type="tertiary",
                on_click=clear_cell,
            )
        else:
            st.caption("Click a cell above, or choose one here.", width="content")


def _take(furthest: Mapping[str, int]) -> None:
    strategy, stage, position = (st.session_state[key] for key in _KEYS)
    select_cell(strategy, min(stage, furthest.get(strategy, stage)), position)


def _name(position: int, order: str | None) -> str:
    return f"task {position}" if order is None else tasks_in(order)[position - 1]


def _sentence(cell: Cell, chains: pd.DataFrame) -> str:
    means = cell_means(chains)
    when = f"after stage {cell.stage}" if cell.stage else "base model"
    known = [f"**{means['score_now']:.1f}**"]
    if cell.is_learned:
        known.append(f"just learned {means['score_learned']:.1f}")
    base = means["score_base"]
    known.append("base model not measured" if pd.isna(base) else f"base model {base:.1f}")
    return (
        f"{md(cell.strategy)}, {when}, {md(_name(cell.position, cell.order))}: score"
        f" {' · '.join(known)}, over {counted(len(chains), 'chain')}."
    )


def _prompts(chains: pd.DataFrame, originals: Mapping[str, str], cell: Cell) -> None:
    st.markdown("**Learned with**")
    if not cell.is_learned:
        st.caption(f"The task had not been learned by then; it is at stage {cell.position}.")
        return
    if as_strategy(cell.strategy).policy == "paft":
        st.caption("paft drew among all candidates while it trained; its own column is original's.")
    of_prompt = chains.groupby(["eval_task", "prompt_id", "text"], sort=False).size()
    prompts = of_prompt.sort_values(ascending=False, kind="stable")
    for (task, prompt_id, text), n in list(prompts.items())[:MOST_PROMPTS]:
        with st.container(border=True):
            st.markdown(
                f"**{md(prompt_id)}** · {md(task)} · {n} of {counted(len(chains), 'chain')}"
            )
            diff(analysis.word_diff(originals.get(task, text), text))
    if len(prompts) > MOST_PROMPTS:
        more = counted(len(prompts) - MOST_PROMPTS, "further prompt")
        st.caption(f"The table of chains has {more}.")


def _examples(table: pd.DataFrame, imported: bool) -> None:
    prompt = "the prompt it was tested with" if imported else "the task's original prompt"
    st.markdown(f"**Examples**, under {prompt}")
    if table.empty and imported:
        st.caption("There are no outputs of both states that are compared here.")
        return
    if table.empty:
        st.caption(
            "No outputs were kept: evaluation.n_predictions_kept is 0 in these runs. Studies made"
            " from a preset keep 16 of each task after each stage."
        )
        return
    chains = table["n_forgotten"].astype(str) + " of " + table["n_chains"].astype(str)
    shown = table.assign(forgotten=chains)[
        [
            *("input", "gold", "then", "now", "forgotten", "loss_change", "right_then"),
            *("right_now", "eval_task"),
        ]
    ]
    st.dataframe(
        shown,
        hide_index=True,
        placeholder=MISSING,
        height=300,
        key="cell-examples",
        alt="Kept test examples of the cell's task: outputs then and now.",
        column_config=columns(
            shown,
            formats={"loss_change": "%+.2f"},
            widths={
                **{"input": 104, "gold": 62, "then": 62, "now": 62, "forgotten": 70},
                **{"loss_change": 58, "right_then": 70, "right_now": 70},
            },
            helps={
                "loss_change": "Here: now − then, mean over chains.",
                "forgotten": "Here: right then, wrong now, in so many chains.",
            },
        ),
    )


def _chains(chains: pd.DataFrame, kind: str) -> None:
    last = ["text"]  # the longest, and shown above
    shown = chains[[name for name in chains if name not in ("run_id", *last)] + last]
    scores = ("score_base", "score_learned", "score_now")
    losses = ("pre_update_loss", "loss_base", "loss_learned", "loss_now")
    st.dataframe(
        shown,
        hide_index=True,
        placeholder=MISSING,
        key="cell-chains",
        alt="Chains behind the cell: prompt, scores and losses.",
        column_config=columns(
            shown,
            pinned="order",
            formats={
                **dict.fromkeys(scores, "%.1f"),
                **dict.fromkeys(("since_learned", "since_base"), "%+.1f"),
                **dict.fromkeys(losses, "%.3f"),
                **dict.fromkeys(("loss_since_learned", "loss_since_base"), "%+.3f"),
            },
            widths={"text": "medium", "order": "medium"},
        ),
    )
    st.caption(
        f"A row per chain. Scores and losses: with {kind} test prompts, on the examples that all"
        " stages share. Pre-update loss: of the chosen prompt where it was chosen, if a policy had"
        " it scored there."
    )
