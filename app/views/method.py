"""Method: what every number on the pages means, with formula, unit and sign."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.claims import CLAIMS, MIN_PROMPTS_THESE_TASKS, MIN_TASKS
from sapo_analysis.analysis.glossary import SECTIONS, TERMS
from sapo_analysis.analysis.noise.band import SOLID_FROM_SEEDS
from sapo_analysis.analysis.quantities import QUANTITIES
from sapo_analysis.analysis.sequences import LEAST
from sapo_analysis.analysis.sequences.contrasts import PRIMARY
from sapo_analysis.analysis.sequences.verdicts import AS_WELL_WITHIN
from sapo_analysis.figures.spec import PARTS
from sapo_analysis.figures.venues import VENUES


def terms(words: str) -> pd.DataFrame:
    """The glossary as a table, the terms that hold every word."""
    rows = [
        {
            "called": term.label,
            "what it is": term.definition,
            "unit": term.unit,
            "good when": term.better,
            "about": section,
            "column": term.name,
        }
        for section, own in SECTIONS.items()
        for term in own
    ]
    wanted = words.casefold().split()
    kept = [row for row in rows if all(w in " ".join(row.values()).casefold() for w in wanted)]
    return pd.DataFrame(kept, columns=list(rows[0]))


st.header("Method: what every number means", anchor=False)
st.markdown(
    "A *paraphrase study* takes one state of a model and fine-tunes it once per wording of the "
    "training prompt. Examples, their order, the adapter's start and dropout are the same for all "
    "wordings of a seed; only the text differs. *Before* is the state the fine-tune starts from, "
    "*after* the fine-tuned model. Scores run from 0 to 100, losses are nats per target token."
)

st.subheader("Quantities", anchor=False)
st.table(
    [
        {
            "quantity": quantity["name"],
            "measured on": ", ".join(quantity["roles"]),
            "score form (points)": quantity["score_form"],
            "loss form (nats per token)": quantity["loss_form"],
            "good when": quantity["good_when"],
            "in words": quantity["meaning"],
        }
        for quantity in (q.to_dict() for q in QUANTITIES)
    ]
)
st.markdown(
    "**Role** is how a fine-tune sees an evaluated task: *current* (being learned), *past* "
    "(learned before), *unseen* (never trained; can gain or lose), *retained* (mastered by the "
    "base model: much to lose, little to gain beyond what past tasks took of it). Roles are "
    "never pooled. An outcome is the unweighted mean over the tasks of one role; tasks with "
    "different metrics are first divided by their sd over prompts, and the axis then says so.\n\n"
    "**In-task** is the final result on the current task under its training prompt. Its loss form "
    "is the final loss, not the drop: the drop holds pre-update loss on both axes."
)

st.subheader("Correlation", anchor=False)
st.markdown(
    "One point is one prompt of one current task: the mean over the evaluated tasks of a role, "
    "then over the seeds all prompts share. r is taken over prompts *within* each task, turned "
    "into Fisher's z = atanh r, averaged over tasks and turned back. It is a correlation of "
    "observed values, so seed noise pulls it towards 0."
)
st.markdown(
    "- **New tasks**: mean z ± t · sd of z / √k, Student t with k − 1 degrees of freedom over the "
    "k current tasks. It speaks of tasks like these.\n"
    "- **These tasks**: mean z ± 1.96 · √(Σ 1 / (n − 3)) / k, n prompts per task (Spearman: "
    "1.03 / √(n − 3) each). It speaks of the named tasks only.\n"
    "- **Marked as not equivalent** (Tasks & prompts): such prompts stay in every number. Where a "
    "run has some, Explore says how many, and r with and without them.\n"
    "- **Raw, pooled** mixes differences between tasks with differences between prompts, and may "
    "even have the other sign. It is never the headline."
)

st.subheader("Claims and verdicts", anchor=False)
st.markdown("\n".join(f"- `{name}`: {text}." for name, text in CLAIMS.items()))
st.markdown("Claim 1 is judged by the log of its ratio; its card shows the ratio itself.")
st.table(
    [
        {
            "verdict": "✓ supported",
            "when": "the 95 % interval lies wholly on the predicted side; for new tasks two thirds "
            f"of at least {MIN_TASKS} tasks agree in sign, for these tasks each has at least "
            f"{MIN_PROMPTS_THESE_TASKS} prompts; for claim 2 the part that prompts make of r lies"
            " there too",
        },
        {
            "verdict": "✕ contradicted",
            "when": "the interval lies wholly on the other side; for these tasks with as many"
            " prompts",
        },
        {
            "verdict": "≈ unclear",
            "when": "anything else, and whenever score and loss form disagree in sign",
        },
        {"verdict": "n too few", "when": f"new tasks with fewer than {MIN_TASKS} current tasks"},
    ]
)
st.markdown("A running study and a model with random weights get no verdict.")

st.subheader("The picture", anchor=False)
st.markdown(
    "- **Noise band** (grey): mean ± 1.96 · σ / √seeds, where σ is how far the same prompt moves "
    "when only the seed changes, measured by noise trials that enter nothing else. Dashed: fewer "
    f"than {SOLID_FROM_SEEDS} noise seeds, drawn at σ's upper 95 % limit.\n"
    "- **Rounding alone**: sd = √(mean of d² / 2), d the change of one trial's outcome when it is "
    "trained once more with the same seed in a stack of another size, so that nothing but rounding "
    "can differ; n repeats, all current tasks together, beside σ. These repeats enter nothing "
    "else. Without them: not measured.\n"
    "- **Slope** (grey line): least squares through the points shown, with the 95 % band of its "
    "mean. The verdicts do not use it.\n"
    "- **Several runs** are read as one where they are equal in model, data and settings; else "
    "each is shown by itself, beside the others, with what differs.\n"
    "- **Each seed**: a dot per prompt and seed instead of the mean over seeds; the noise band is "
    "then that of one trial. r, slope and marks stay with the means.\n"
    "- A **filter** hides points and moves none: means, slopes, bands and r are those of all "
    "prompts.\n"
    "- **Log scale**, centred: the ratio to the task's geometric mean. r is of the values "
    "themselves.\n"
    "- **Centred** view: a point more than four median absolute deviations out, if among the "
    "farthest 5 %, becomes an arrow at the edge with the prompt's name.\n"
    "- **Star** the prompt with the lowest pre-update loss (SAPO's pick), **diamond** the original "
    "prompt, **triangle** the best prompt in hindsight.\n"
    "- **Forest**: r and its 95 % interval per task; below, the mean over tasks with the interval "
    "for new tasks (thick) and for these tasks (thin).\n"
    "- **Between tasks**: r of impacts; hatched where prompts differ no more than seeds do."
)

st.subheader("Statistics", anchor=False)
st.markdown(
    "- **Levels**: beside Pearson's r, Spearman's on ranks and the Theil–Sen slope, the median of "
    "the slopes of all pairs of prompts: how much the outcome changes per nat of loss.\n"
    "- **Share of prompts**: of one trial's variance over prompts and seeds, what lies between "
    "prompts. **Reliability**: the same of means over the seeds there are. Both take two seeds.\n"
    "- **r without seed noise**: from covariances of *different* seeds, which hold neither "
    "variable's noise nor what both have from one trial. It stands beside r as seen, never in its "
    "place; verdicts are of r as seen.\n"
    "- **Made by prompts, made by the seed**: r of the impacts on two other tasks, taken apart in "
    "the same way. A fine-tune that went badly moves all tasks at once; impacts at different "
    "seeds do not share that.\n"
    "- **Indicators**: p is corrected for how many were tried (the largest of all in each "
    "shuffle). The best is chosen on all tasks but one and judged on that one, in turn.\n"
    "- **Held fixed**: partial correlation within tasks. Where what is held fixed came out of the "
    "same training it is *descriptive*: it may be how loss acts.\n"
    "- **Influence**: r with one point, one prompt or one task left out, the others as they "
    "are.\n"
    "- **Does the rule pay?** Outcomes of trials that are there, by which prompt would have been "
    "picked. The best in hindsight is chosen on the other seeds and valued on its own, else it "
    "would be valued by what it was chosen by.\n"
    "- **Next study**: designs with the fewest tasks whose interval for new tasks is narrow "
    "enough, or excludes 0 often enough, were the run's r and spread between tasks true."
)

st.subheader("Sequences", anchor=False)
st.markdown(
    "A *sequence study* learns tasks one after another. A **strategy** is a *policy* (which prompt "
    "teaches the next task) and a *method* (how it is learned). After each stage every task is "
    "tested: R[i][j] is the score on task j after stage i, R[0][j] that of the base model."
)
st.markdown(
    "- **AP** takes all examples of the last stage; differences between stages are taken on those "
    "that all stages share.\n"
    "- **Test prompts**: *training* is the prompt a chain learned the task with (of `paft` the "
    "original, and before that the original), *original* the one it came with, *test-only* "
    "paraphrases that nothing was trained with. Better training must not hide in a better test "
    "prompt.\n"
    "- **Intervals**: seeds averaged within an order, Student t over orders; they speak of other "
    "orders of these tasks. With one order: over its seeds, and no verdict.\n"
    f"- **Verdict**: one contrast is primary, {PRIMARY[0]} against {PRIMARY[1]} in AP with "
    "original test prompts: *better* or *worse* where its interval excludes zero, else *unclear*; "
    f"*too few* below {LEAST} orders, where nothing is tested. The other contrasts in AP, BWT and "
    "FWT with original test prompts are Holm corrected; everything else is described.\n"
    "- **Means by stage** (the race, the matrices): over the same chains at every stage, those "
    "that went furthest; seeds averaged within an order.\n"
    "- **State-adaptive?** `sapo-once` chooses at the base model. It does *as well* where the "
    f"interval of its difference to `sapo` lies within ±{AS_WELL_WITHIN:g} points of AP.\n"
    "- **Cost**: what chains shared is counted for each. Fine-tunes of a stack share its time "
    "evenly, so the *share* of choosing by time grows with the number of strategies: compare it "
    "within a run. By texts, one trained on counts like one read, and costs about two to three."
)

st.subheader("Figures and tables for a paper", anchor=False)
st.table(
    [
        {
            "venue": venue.title,
            "column (inches)": f"{venue.column:.4g}",
            "full width (inches)": f"{venue.full:.4g}",
            "labels (points)": f"{venue.size:g}",
            "font": venue.font,
        }
        for venue in VENUES.values()
    ]
)
st.markdown(
    "- **True size**: the Figures page counts 96 pixels to the inch, as browsers do at 100 % zoom; "
    "a PNG has 300 dots per inch.\n"
    "- **Fonts**: serif is STIX General, which stands beside Times; sans is Liberation Sans, as "
    "wide as Helvetica. Both are embedded as TrueType; nothing is drawn in a substitute.\n"
    "- **Grey print**: groups differ in marker, dash or filling too, so that no colour is needed.\n"
    "- **Hollow points**: the run is not done, or has random weights; its numbers get no verdict.\n"
    f"- **May be left out**: {'; '.join(PARTS.values())}.\n"
    "- **Every file** says which runs it is of, and its date is when the last of them ended: the "
    "same runs give the same bytes."
)

st.subheader("Glossary", anchor=False)
found = st.text_input(
    "Find",
    key="find",
    placeholder="a word of a name, a unit or a definition",
    help="Shows the terms in which every word occurs.",
    bind="query-params",
    width=420,
)
glossary = terms(found or "")
if glossary.empty:
    st.info("No term holds all of these words.")
else:
    st.dataframe(
        glossary,
        hide_index=True,
        height=560 if len(glossary) > 14 else "content",
        alt="Every term with its unit, definition and good direction.",
        column_config={
            "called": st.column_config.TextColumn("called", pinned=True, help="On the pages."),
            "what it is": st.column_config.TextColumn("what it is", width=560, help="Definition."),
            "unit": st.column_config.TextColumn("unit", help="Empty: it has none."),
            "good when": st.column_config.TextColumn("good when", help="Empty: neither way."),
            "about": st.column_config.TextColumn("about", help="Where it belongs."),
            "column": st.column_config.TextColumn("column", help="In tables and in Python."),
        },
    )
st.caption(f"{len(glossary)} of {len(TERMS)} terms.")
