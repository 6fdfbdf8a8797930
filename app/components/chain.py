"""One chain: what it chose stage by stage, and the losses it chose by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import streamlit as st

from sapo_analysis.analysis.sequences import candidates_along
from sapo_analysis.app import sequences
from sapo_analysis.app.components import charts
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.data import Keys
from sapo_analysis.app.state import check_link
from sapo_analysis.errors import InputError
from sapo_analysis.figures import choices_along

T = TypeVar("T", int, str)


def chain_tab(keys: Keys) -> None:
    """Choose a strategy, an order and a seed; see its choices."""
    found = sequences.choices(keys)
    strategies = list(dict.fromkeys(found["strategy"]))
    orders = list(dict.fromkeys(found["order"]))
    seeds = sorted(set(found["seed"]))
    first = strategies.index("sapo+lora") if "sapo+lora" in strategies else 0
    with st.container(horizontal=True):
        strategy = _one("Strategy", strategies, "strategy", "Prompt and method.", first)
        order = _one("Order", orders, "order", "Tasks as they were learned.")
        seed = _one("Seed", seeds, "seed", "One replicate.")
    own = found[
        (found["strategy"] == strategy) & (found["order"] == order) & (found["seed"] == seed)
    ]
    if own.empty:
        st.info("No stage of this chain has finished.")
        return
    run = sequences.run_of(keys, str(own["run_id"].iloc[0]))
    try:
        table = candidates_along(run, order, strategy, seed)
        spec = choices_along(table, strategy=strategy, order=order, seed=seed)
        charts.still(spec, "choices")
    except InputError as error:
        st.info(md(str(error)))
    shown = own.rename(columns={"loss": "chosen_loss", "lowest": "lowest_loss"})[
        [
            *("stage", "task", "prompt_id", "text", "chosen_loss", "lowest_loss", "regret"),
            *("choice_seconds", "choice_examples"),
        ]
    ]
    losses = dict.fromkeys(("chosen_loss", "lowest_loss", "regret"), "%.3f")
    st.dataframe(
        shown,
        hide_index=True,
        placeholder=MISSING,
        alt="Chosen prompts by stage.",
        column_config=columns(
            shown,
            formats={**losses, "choice_seconds": "%.2f", "choice_examples": "%.0f"},
            widths={"text": "large"},
        ),
    )
    st.caption(
        "The picture: losses where the policy looks, of sapo-once at the base model. The table: at"
        " the chain's own state, known where a policy had scored it: those of sapo and sapp, and of"
        " every chain that stands at the same one, as all do at first."
    )


def _one(label: str, options: Sequence[T], key: str, help: str, first: int = 0) -> T:
    """One of what the chains have; the link keeps which."""
    key = f"chain-{key}"
    check_link(key, list(map(str, options)))
    index = 0 if key in st.session_state else first
    chosen = st.selectbox(label, options, index=index, key=key, help=help, bind="query-params")
    return options[first] if chosen is None else chosen
