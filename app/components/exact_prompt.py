"""One example as the model reads it, token by token: what is trained and scored is underlined."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import streamlit as st

MOST = 600
"""Tokens that are drawn; a longer text is cut in the middle of its context."""
_TEXT = "font-family:monospace;font-size:.85rem;line-height:1.75;overflow-wrap:anywhere"
_BASE = "display:inline-block;border-radius:3px;padding:0 3px;margin:1px;white-space:pre-wrap;"
_STYLES = {
    "context": f"{_BASE}background:rgba(128,128,128,.14);opacity:.8",
    "answer": f"{_BASE}background:rgba(86,180,233,.28);border-bottom:2px solid #0072B2",
    "end": f"{_BASE}background:rgba(230,159,0,.25);border-bottom:2px solid #E69F00",
}
_WORDS = {
    "context": "context: read, not trained",
    "answer": "answer: trained and scored",
    "end": "end of turn: trained and scored",
}


def exact_prompt(answer: Mapping[str, Any]) -> None:
    """Draw what `tokens.exact_prompt` returned."""
    tokens = list(answer["tokens"])
    cut = max(0, len(tokens) - MOST)
    half = MOST // 2
    shown = [_chip(t) for t in (tokens[:half] + tokens[half + cut :] if cut else tokens)]
    if cut:
        shown.insert(half, f"<span> … {cut:,} more tokens … </span>")
    legend = " ".join(
        f'<span style="{_STYLES[kind]};font-size:.8rem">{words}</span>'
        for kind, words in _WORDS.items()
    )
    st.html(
        f'<div style="{_TEXT}">{"".join(shown)}</div><div style="margin-top:.5rem">{legend}</div>'
    )
    layout = "Chat template" if answer["chat_template"] else "Plain layout, no chat template"
    st.caption(
        f"{answer['n_scored']:,} of {answer['n_tokens']:,} tokens are scored. {layout}."
        + ("" if answer["fits"] else f" Too long: the model reads {answer['max_length']:,} tokens.")
    )


def _chip(token: Mapping[str, Any]) -> str:
    text = str(token["text"])
    # What cannot be seen is named: a line break, and the rest of a character of several tokens.
    visible = html.escape(text).replace("\n", "↵\n") if text else "·"
    mark = " ⏎" if token["kind"] == "end" and text.strip() else ""
    title = html.escape(_WORDS[token["kind"]], quote=True)
    return f'<span style="{_STYLES[token["kind"]]}" title="{title}">{visible}{mark}</span>'
