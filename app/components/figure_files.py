"""What goes with a figure or table: its caption and citations to copy, its files to take along."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from sapo_analysis.app import paper
from sapo_analysis.app.components.controls import segmented
from sapo_analysis.app.paper import Paper
from sapo_analysis.figures.caption import Caption
from sapo_analysis.paper import captions, citations
from sapo_analysis.paper.numbers import Numbers

CAPTION = "caption"
_FORMS = {"plain": "Plain", "latex": "LaTeX"}


@dataclass(frozen=True)
class File:
    """A file to take along, made when its button is pressed.

    Attributes:
        label: of its button.
        name: of the file.
        mime: its type.
        make: gives its content.
        help: what it is.
    """

    label: str
    name: str
    mime: str
    make: Callable[[], bytes | str]
    help: str

    def button(self, key: str) -> None:
        """Its button."""
        st.download_button(
            self.label,
            # Made on the click: at every rerun it would cost seconds.
            data=lambda: self.make(),
            file_name=self.name,
            mime=self.mime,
            key=key,
            icon=":material/download:",
            help=self.help,
            on_click="ignore",
        )


def files_row(files: Sequence[File], numbers: Numbers, on: Paper) -> None:
    """A button per file of what is shown, then everything that the runs have."""
    with st.container(horizontal=True, vertical_alignment="center", key="files"):
        for file in files:
            file.button(f"take-{file.name.rpartition('.')[2]}")
    with st.container(horizontal=True, vertical_alignment="center", key="all-files"):
        st.caption("Everything of these runs:", width="content")
        for key, file in everything(numbers, on).items():
            file.button(f"take-{key}")


def everything(numbers: Numbers, on: Paper) -> dict[str, File]:
    """All figures and tables of the runs, as files and as a page."""
    name = "-".join(run.run_id for run in numbers.runs[:1])
    more = f"-and-{len(numbers.runs) - 1}-more" if numbers.runs[1:] else ""
    return {
        "bundle": File(
            "Bundle (ZIP)",
            f"{name}{more}.zip",
            "application/zip",
            lambda: paper.everything(numbers, on),
            "Every figure and table for this venue, with captions, citations, data, provenance and"
            " a script that draws the figures again. May take a minute.",
        ),
        "report": File(
            "Report (HTML)",
            f"{name}{more}.html",
            "text/html",
            lambda: paper.report(numbers),
            "One page that opens without this app and without a network: figures to hover over,"
            " tables, verdicts. May take half a minute.",
        ),
    }


def caption_box(caption: Caption, kind: object, numbers: Numbers) -> None:
    """A draft of the caption, to be shortened here or in the paper, and its sources."""
    st.markdown("##### Caption")
    cites = citations.cited(kind, numbers.runs)  # type: ignore[arg-type]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form = segmented(
            "As", _FORMS, CAPTION, "LaTeX: escaped, with citations where a source is named."
        )
        place = st.empty()
    if form == "latex":
        draft = captions.draft_latex(caption, cites, numbers)
    else:
        draft = captions.draft(caption, numbers)
    # Another figure has another caption: what was written under this one stays with it.
    digest = hashlib.sha256(draft.encode()).hexdigest()[:12]
    written = st.text_area(
        "Draft",
        value=draft,
        key=f"draft-{digest}",
        height="content",
        help="A draft with every fact that a reader needs; shorten it.",
        label_visibility="collapsed",
    )
    with place.popover("Copy caption", icon=":material/content_copy:", help="As it stands below."):
        st.code(written, language="latex" if form == "latex" else None, wrap_lines=True)
    with st.expander("BibTeX of what it rests on", icon=":material/menu_book:", key="bibtex"):
        st.code(citations.bibtex(cites), language="latex")
