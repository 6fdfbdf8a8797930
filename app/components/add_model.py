"""A model of the Hugging Face hub by its id: what would be fetched, and the fetching."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sapo_analysis import jobs, model_files
from sapo_analysis.analysis.wording import size
from sapo_analysis.app.asking import answered, ask, forget
from sapo_analysis.app.components.text import md
from sapo_analysis.store import is_read_only

OFFER, FETCH = "hub_model", "fetch_model"
PATIENCE_SECONDS = 60.0
FETCHING_SECONDS = 24 * 3600.0


def add_model() -> None:
    """A button that opens the panel; nothing on a server that may only be read."""
    if is_read_only() or jobs.missing_engine_packages():
        return
    with st.popover("Add by id", icon=":material/add:", help="A model of the Hugging Face hub."):
        name = st.text_input(
            "Id on the hub",
            key="hub-id",
            max_chars=200,
            placeholder="organisation/model or organisation/model@revision",
            help="A causal language model with safetensors. No code of it is run.",
        ).strip()
        if name:
            _panel(name)


def _panel(name: str) -> None:
    if not model_files.is_hub_id(name):
        st.warning(md(f"{name!r} is no id of the hub: organisation/model."))
        return
    wanted = {"model": name}
    fetching = {"model": name, "trust_remote_code": False}
    if answered(FETCH, fetching):
        _fetching(name, fetching)
        return
    if not answered(OFFER, wanted):
        st.button(
            "Ask the hub",
            key="hub-ask",
            type="primary",
            help="Which files it has and how large they are; nothing is fetched yet.",
            on_click=ask,
            args=(OFFER, wanted, PATIENCE_SECONDS),
        )
        return
    reply = ask(OFFER, wanted, PATIENCE_SECONDS)
    if reply.is_pending:
        st.caption(":material/hourglass_top: Asking the hub …")
    elif reply.answer is None:
        _failed(reply.error, OFFER, wanted)
    else:
        _offered(reply.answer, fetching)


def _offered(offer: dict[str, Any], fetching: dict[str, Any]) -> None:
    missing = size(offer["missing_bytes"])
    st.markdown(
        f"**{md(str(offer['name']))}** at revision {md(str(offer['revision'])[:12])}:"
        f" {len(offer['files'])} files, {md(missing)} to fetch."
    )
    if offer["gated"]:
        st.caption(f"It is gated: accept its terms at {md(str(offer['page']))} first.")
    st.button(
        f"Fetch {missing}",
        key="hub-fetch",
        type="primary",
        icon=":material/cloud_download:",
        help="Into the local cache of the hub. It goes on while this page is open.",
        on_click=ask,
        args=(FETCH, fetching, FETCHING_SECONDS),
    )


def _fetching(name: str, fetching: dict[str, Any]) -> None:
    reply = ask(FETCH, fetching, FETCHING_SECONDS)
    if reply.is_pending:
        st.caption(f":material/hourglass_top: Fetching {md(name)} …")
    elif reply.answer is None:
        _failed(reply.error, FETCH, fetching)
    else:
        st.success(md(f"{name} is here: choose it in the list."), icon=":material/check:")


def _failed(error: str, kind: str, asked: dict[str, Any]) -> None:
    st.error(md(error), icon=":material/cloud_off:")
    st.button(
        "Try again",
        key=f"again-{kind}",
        help="Asks the hub once more.",
        on_click=forget,
        args=(kind, asked),
    )
