"""Every policy with every method against plain LoRA with the original prompt, study by study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.methods_compared import OUTCOMES, counts_in_words
from sapo_analysis.analysis.wording import counted
from sapo_analysis.app import compared
from sapo_analysis.app.components.chips import OF_DIFFERENCES
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.compared_methods import (
    ALL_FAMILIES,
    ANYTHING,
    CHANGES,
    CHANGING,
    FAMILY,
)
from sapo_analysis.app.components.controls import segmented, select
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.data import Keys
from sapo_analysis.app.launching.methods import GROUPS
from sapo_analysis.app.state import check_link
from sapo_analysis.figures.csv_text import csv_text
from sapo_analysis.figures.theme import VERDICT_ICONS
from sapo_analysis.methods import find_method

FIRST = ("forgetting_past", "forgetting_retained", "generalization", "ap")
"""Outcomes that are offered first: what is kept of other tasks."""
ROLES = {"forgetting_past": "past", "forgetting_retained": "retained"}
ALL_STUDIES, CHOSEN = "all studies", "the chosen runs"
CORRECTIONS = {"alone": "Each by itself", "holm": "After Holm"}
SEED_ICONS = {"steadier": "✓", "less steady": "✕", "unclear": "≈", "too few": "n"}
MOST_ROWS = 14
_SCROLLED = 540
_BY_CHANCE = 0.05
_NUMBERS = {
    "mean_of_row": "%.1f",
    "to_plain": "%+.1f",
    "to_plain_lower": "%+.1f",
    "to_plain_upper": "%+.1f",
    "p_corrected": "%.3f",
    "time_ratio": "%.1f",
    "choosing_ratio": "%.1f",
    "seed_sd": "%.2f",
    "seed_df": "%d",
    "seed_ratio": "%.2f",
    "seed_ratio_lower": "%.2f",
    "seed_ratio_upper": "%.2f",
}
_IN_ITS_UNIT = ("mean_of_row", "to_plain", "to_plain_lower", "to_plain_upper")
"""Columns in the unit of the outcome."""
_WIDTHS = {
    "strategy": 170,
    "study": 160,
    "verdict": 105,
    "to_plain": 95,
    **dict.fromkeys(("to_plain_lower", "to_plain_upper", "mean_of_row"), 65),
    "behind": 230,
}
"""In pixels: difference and verdict are seen without scrolling."""
_RENAMED = {
    "words": "strategy",
    "value": "mean_of_row",
    "difference": "to_plain",
    "lower": "to_plain_lower",
    "upper": "to_plain_upper",
    "p_holm": "p_corrected",
}


def against_plain_tab(keys: Keys, every: Keys, links_row: Any) -> None:
    """The table, its filters, what it is of and what it does not say.

    Args:
        keys: of the chosen runs, whose studies stand first.
        every: of these and of the finished runs that came with this software.
        links_row: draws links to other forms of it.
    """
    studies = compared.studies(every)
    mine = dict(keys)
    studies.sort(key=lambda study: not any(path in mine for path, _ in study))
    found = [(study, compared.against_plain(study)) for study in studies]
    for _, one in found:
        if one.why_not:
            st.warning(md(one.why_not), icon=":material/broken_image:")
    parts = [
        one.table.assign(is_chosen=any(path in mine for path, _ in study))
        for study, one in found
        if len(one.table)
    ]
    if not parts:
        st.info("No fine-tune of these runs has ended yet: there is nothing to compare.")
        return
    # What has no plain LoRA beside it stands last: there is nothing to read from it but means.
    parts.sort(key=lambda part: not part["is_reference"].any())
    table = pd.concat(parts, ignore_index=True)
    outcome, correction = _controls(table)
    rows = _filtered(table)
    own = rows[rows["outcome"] == outcome]
    if own.empty:
        st.info("No row is left, or this was not measured there. Choose another filter or outcome.")
        return
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.download_button(
            "All outcomes as CSV",
            data=lambda: csv_text(rows.drop(columns="is_chosen")),
            file_name="against-plain-lora.csv",
            mime="text/csv",
            key="take-against-plain",
            icon=":material/download:",
            help="The rows that the filters leave, every outcome, nothing rounded.",
            on_click="ignore",
        )
        links_row()
    _shown(own, outcome, correction)
    _said(own, outcome, correction)


def _controls(table: pd.DataFrame) -> tuple[str, str]:
    told = table["is_chosen"] & table["difference"].notna()
    there, mine = set(table["outcome"]), set(table.loc[told, "outcome"])
    known = [name for name in (*FIRST, *(o for o in OUTCOMES if o not in FIRST)) if name in there]
    known.sort(key=lambda name: bool(mine) and name not in mine)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        outcome = select("Outcome", known, outcome_words, "measured", entry("outcome").help)
        correction = segmented("Verdicts", CORRECTIONS, "verdicts", entry("verdict_holm").help)
    return outcome, correction


def outcome_words(outcome: str) -> str:
    """An outcome with the role of its tasks and which way is good: `forgetting, past ↓`."""
    term = entry(OUTCOMES[outcome])
    role = f", {ROLES[outcome]}" if outcome in ROLES else ""
    return f"{term.label}{role}{ {'high': ' ↑', 'low': ' ↓'}.get(term.better, '') }"


def _filtered(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the chosen studies, policies, methods; the reference of a study stays."""
    studies = list(dict.fromkeys(table["study_words"]))
    has_chosen = bool(table["is_chosen"].any())
    policies = list(dict.fromkeys(table["policy"]))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        offered = [ALL_STUDIES, *([CHOSEN] if has_chosen else []), *studies]
        study = select("Study", offered, str, "studies", entry("study").help)
        families = [ALL_FAMILIES, *GROUPS]
        family = select("Family", families, str, FAMILY, "What methods are compared for.")
        changing = segmented("Changes", CHANGES, CHANGING, entry("changes").help)
        check_link("policies", policies)
        wanted = st.pills(
            "Policies",
            policies,
            selection_mode="multi",
            key="policies",
            help=f"{entry('policy').help} None chosen: all.",
            bind="query-params",
        )
    kept = pd.Series(True, index=table.index)
    if study == CHOSEN:
        kept &= table["is_chosen"]
    elif study != ALL_STUDIES:
        kept &= table["study_words"] == study
    is_of = table["method"].map(lambda m: _is_of(m, family, changing)).astype(bool)
    if wanted:
        is_of &= table["policy"].isin(list(wanted))
    rows = table[kept & (is_of | table["is_reference"])]
    # A study of which the reference alone is left has nothing to say.
    several = rows.groupby("study")["name"].transform("nunique") > 1
    return rows[several | ~rows["is_reference"]]


def _is_of(method: str, family: str, changing: str) -> bool:
    facts = find_method(method).facts
    return family in (ALL_FAMILIES, facts.family) and changing in (ANYTHING, facts.changes)


def _shown(own: pd.DataFrame, outcome: str, correction: str) -> None:
    shown = _printed(_in_order(own, outcome), correction)
    formats = {name: _NUMBERS[name] for name in shown if name in _NUMBERS}
    if outcome == "format_ratio":
        formats |= {n: f.replace(".1", ".2") for n, f in formats.items() if n in _IN_ITS_UNIT}
    helps = {"mean_of_row": f"Here: {entry(OUTCOMES[outcome]).help}"}
    config = columns(shown, formats=formats, widths=_WIDTHS, pinned="strategy", helps=helps)
    for name in ("to_plain", "seed_ratio"):  # each beside the column that it is of
        for end, word in (("_lower", "from"), ("_upper", "to")):
            if f"{name}{end}" in config:
                config[f"{name}{end}"]["label"] = word
    st.dataframe(
        shown,
        hide_index=True,
        height="content" if len(shown) <= MOST_ROWS else _SCROLLED,
        placeholder=MISSING,
        alt=f"{outcome_words(outcome)} of every policy and method, and against plain LoRA.",
        column_config=config,
    )


def _in_order(own: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Study by study its reference first, then what is best."""
    better = entry(OUTCOMES[outcome]).better
    places = {study: i for i, study in enumerate(dict.fromkeys(own["study"]))}
    order = pd.DataFrame(
        {
            "study": own["study"].map(places),
            "other": ~own["is_reference"].astype(bool),
            "behind": own["difference"].astype(float) * (1 if better == "low" else -1),
        }
    )
    return own.loc[order.sort_values(["study", "other", "behind"], kind="stable").index]


def _printed(rows: pd.DataFrame, correction: str) -> pd.DataFrame:
    """The columns of the table, terms of the glossary; without those in which nothing stands."""
    column = "verdict_holm" if correction == "holm" else "verdict"
    verdict = pd.Series(_with_icons(rows[column], _ICONS), index=rows.index)
    shown = rows.drop(columns=["study", "verdict", "seed_verdict"]).rename(columns=_RENAMED)
    shown = shown.assign(
        study=_short(rows["study"]),
        verdict=verdict.mask(rows["is_reference"].astype(bool), "the reference"),
        behind=[counts_in_words(row) for _, row in rows.iterrows()],
        seed_verdict=_with_icons(rows["seed_verdict"], SEED_ICONS),
    )
    names = [
        *("strategy", *(["study"] if rows["study"].nunique() > 1 else []), "verdict"),
        *("to_plain", "to_plain_lower", "to_plain_upper", "mean_of_row"),
        *(["p_corrected"] if correction == "holm" else []),
        *("behind", "time_ratio", "choosing_ratio", "seed_sd", "seed_df", "seed_ratio"),
        *("seed_ratio_lower", "seed_ratio_upper", "seed_verdict"),
    ]
    if not rows["seed_df"].any():  # one seed
        names.remove("seed_df")
    return shown[names].replace("", None).dropna(axis="columns", how="all")


def _short(studies: pd.Series[str]) -> list[str]:
    """Studies by the name of their first run, without its mark where no other has that name."""
    ids = {study: study.split(", ") for study in dict.fromkeys(studies)}
    names = {study: runs[0].rpartition("-")[0] or runs[0] for study, runs in ids.items()}
    twice = [name for name, n in Counter(names.values()).items() if n > 1]
    found = {
        study: (runs[0] if names[study] in twice else names[study])
        + (f" +{len(runs) - 1}" if len(runs) > 1 else "")
        for study, runs in ids.items()
    }
    return [found[study] for study in studies]


_ICONS = {word: VERDICT_ICONS[look] for word, look in OF_DIFFERENCES.items()}


def _with_icons(verdicts: pd.Series[str], icons: Mapping[str, str]) -> list[str]:
    return [f"{icons[word]} {word}" if word in icons else "" for word in verdicts]


def _said(own: pd.DataFrame, outcome: str, correction: str) -> None:
    """What the numbers are of, and what they do not say."""
    units = " or ".join(dict.fromkeys(map(str, own["unit"])))
    studies = counted(own["study"].nunique(), "study", "studies")
    models = ", ".join(dict.fromkeys(map(str, own["model"])))
    said = [
        f"{studies} on {models}, never pooled. Differences: row − plain LoRA with the original"
        " prompt in the same study, on the same task, seed and state; from and to: 95 %, paired"
        f" Student t over {units}."
    ]
    if (own["kind"] == "paraphrase").any():
        said.append(
            "In paraphrase studies a policy's row is that of the prompt which it would have chosen"
            " among those trained with, random the mean over all: nothing was trained again."
        )
    judged = own[own["verdict"].isin(["better", "worse", "unclear"])]
    n = len(judged)
    if correction == "holm":
        said.append(
            "Verdicts after Holm's correction over the rows of each study; the other outcomes, and"
            " that there are several studies, are not corrected for."
        )
    elif n:
        said.append(
            f"Verdicts are by each row's own interval: of the {counted(n, 'verdict')} shown, about"
            f" {max(_BY_CHANCE * n, 0.1):.1g} would be better or worse by chance alone if nothing"
            " differed."
        )
    if own["seed_sd"].notna().any():
        said.append(
            "Seed SD: over seeds within task and prompt (of sequences within order and stage, the"
            " policy's choices included)."
        )
    said.append(
        "Not causation, not other tasks or models; times of runs beside other work say little."
    )
    st.caption(md(" ".join(said)))
    for note, rows in own[own["note"] != ""].groupby("note", sort=False):
        named = ", ".join(dict.fromkeys(map(str, rows["study_words"])))
        st.caption(md(f"{named}: {note}"))
