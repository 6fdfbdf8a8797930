"""What README and FINDINGS say of the shipped runs in words: each number by name."""

from __future__ import annotations

import numpy as np
from scipy.stats import ttest_1samp

from sapo_analysis import analysis
from sapo_analysis.analysis.claim_values import CLAIM_OUTCOMES
from sapo_analysis.analysis.claims import CLAIM_NAMES
from sapo_analysis.analysis.estimate import FORMS
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.wording import signed
from sapo_analysis.tasks.pocket import UNSEEN

GENERAL = "generalization"
OUTCOMES = list(CLAIM_OUTCOMES.values())
ROLES = [role for _, role in OUTCOMES]
FORERUNNERS = ("category", "place", "opposite")
CLEAR_ON_BOTH = ["opposite", "shelf", "sound"]
WORDS = "none one two three four five six seven eight nine ten eleven".split()


def sign_of(name):
    return -1 if name == GENERAL else 1


def estimated(df, y, role, **options):
    """r within tasks with its interval for new tasks, as it is quoted."""
    e = analysis.within_task_correlation(df, y=y, role=role, n_permutations=0, **options)
    return worded(e)


def worded(e):
    return f"{signed(e.value)} ({signed(e.lower)} to {signed(e.upper)})"


def listed(values):
    """A value per outcome, in score form."""
    return ", ".join(f"{value} {role}" for value, role in zip(values, ROLES, strict=True))


def each(df, **options):
    return [estimated(df, name, role, **options) for name, role in OUTCOMES]


def partial(df, x, given, **options):
    options = {"n_permutations": 0, **options}
    return [
        worded(analysis.partial_correlation(df, x=x, y=name, role=role, given=given, **options))
        for name, role in OUTCOMES
    ]


def otherwise_table(main, seen):
    """r in score form, looked at in other ways; `main`, `seen`: the two models' impact tables."""
    one, two = map(prompts_of, main)
    loss, familiarity = "pre_update_loss", ["prompt_length", "log_prompt_frequency"]
    ways = {
        "as above": each,
        "by ranks (Spearman)": lambda df: each(df, statistic="spearman"),
        "the prompts that both studies have": lambda df: each(shared(df, one & two)),
        f"without {', '.join(CLEAR_ON_BOTH)}": lambda df: each(
            df[~df["current_task"].isin(CLEAR_ON_BOTH)]
        ),
        "length and log frequency held fixed": lambda df: partial(df, loss, familiarity),
        "the same, by ranks": lambda df: partial(df, loss, familiarity, statistic="spearman"),
        "log frequency, loss held fixed": lambda df: partial(df, "log_prompt_frequency", [loss]),
        "the six prompts never met": lambda df: each(df[df["prompt_seen"] == 0]),
        "the original and the six met": lambda df: each(df[df["prompt_seen"] == 1]),
    }
    rows = [[way, *cells] for way, look in ways.items() for cells in _by_model(look, main)]
    rows += [["the studies of seen prompts alone", *cells] for cells in _by_model(each, seen)]
    lines = [["r", "model", *ROLES], ["---"] * 5, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _by_model(look, tables):
    return [[f"pocket-{i}", *look(df)] for i, df in enumerate(tables, start=1)]


def without_forerunners(df):
    """Neither trained nor evaluated."""
    ran_before = df["current_task"].isin(FORERUNNERS) | df["eval_task"].isin(FORERUNNERS)
    return df[~ran_before]


def primary_table(runs):
    """Claim 3 for new tasks, run by run, with and without the tasks that had forerunners."""
    head = ["claim", "predicted", "form"]
    for run in runs:
        head += [f"{run.study.model}", f"{run.study.model}, verdict", "without forerunners"]
    lines = [head, ["---"] * len(head)]
    tables = [analysis.impacts(run) for run in runs]
    verdicts = [
        {(v.claim, v.form, v.scope): v.verdict for v in analysis.claims(df, n_permutations=0)}
        for df in tables
    ]
    for claim, (name, role) in CLAIM_OUTCOMES.items():
        for form in FORMS:
            cells = [CLAIM_NAMES[claim], "< 0" if name == GENERAL else "> 0", form]
            for df, found in zip(tables, verdicts, strict=True):
                y = in_form(name, form)
                cells += [
                    estimated(df, y, role),
                    found[claim, form, "new_tasks"],
                    estimated(without_forerunners(df), y, role),
                ]
            lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fisher_z(df, name, role):
    found = analysis.task_correlations(df, y=name, role=role, n_permutations=0)
    return np.arctanh([e.value for e in found])


def holm(p_values):
    """Holm's adjusted p, in the order given."""
    order = np.argsort(p_values)
    steps = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted


def corrected(df):
    """Per outcome: the larger p of its two forms (t over tasks, two-sided), corrected for three."""
    larger = [
        max(ttest_1samp(fisher_z(df, in_form(name, form), role), 0).pvalue for form in FORMS)
        for name, role in OUTCOMES
    ]
    return ", ".join(f"{p:.2f} ({role})" for role, p in zip(ROLES, holm(larger), strict=True))


def tasks_tables(df):
    """Each current task, per role and in score form."""
    return {role: analysis.tasks_table(df, name, role, sign_of(name)) for name, role in OUTCOMES}


def beyond_seed(table):
    return sorted(table.loc[table["ratio_lower"] > 0, "current_task"])


def prompts_of(df):
    """The (task, prompt) points of a run."""
    main = df[df["purpose"] == "main"]
    return set(zip(main["current_task"], main["prompt_id"], strict=True))


def shared(df, prompts):
    """The rows of these (task, prompt) points."""
    pairs = zip(df["current_task"], df["prompt_id"], strict=True)
    return df[[pair in prompts for pair in pairs]]


def main_facts(df):
    """Of a main study."""
    tables = tasks_tables(df)
    losses = analysis.prompts_table(df, "forgetting", "retained").set_index("current_task")
    losses = losses.loc["category", "pre_update_loss"].sort_values()
    check = analysis.training_check(df)
    spread = [fisher_z(df, name, role).std(ddof=1) for name, role in OUTCOMES]
    n_tasks = len(tables["past"])
    needed = np.tanh([analysis.smallest_detectable(sd, n_tasks) for sd in spread])
    holds = {role: WORDS[int(table["holds"].sum())] for role, table in tables.items()}
    return {
        "RMIN": signed(tables["retained"]["r"].min()),
        "RMAX": signed(tables["retained"]["r"].max()),
        "HOLM": corrected(df),
        "FAR": f"{losses.iloc[-1]:.1f}",
        "NEARLOW": f"{losses.iloc[0]:.1f}",
        "NEARHIGH": f"{losses.iloc[-2]:.1f}",
        "FIVE": estimated(df[df["eval_task"].isin(UNSEEN)], GENERAL, "unseen"),
        "POWER": listed([f"{r:.2f}" for r in needed]),
        "SPREAD": listed([f"{sd:.2f}" for sd in spread]),
        "HOLDSPAST": holds["past"],
        "HOLDSRET": holds["retained"],
        "HOLDSUN": holds["unseen"],
        "CLEARPAST": WORDS[len(beyond_seed(tables["past"]))],
        "CLEARUN": WORDS[len(beyond_seed(tables["unseen"]))],
        "RATIO": loss_ratio(tables),
        "SD": f"{check['in_task_sd'].max():.1f}",
        "SDLOW": f"{check['in_task_sd_upper'].min():.1f}",
        "SDHIGH": f"{check['in_task_sd_upper'].max():.1f}",
    }


def rho_range(main):
    """Smallest and largest ρ, over outcomes and models, of r with the spread of a task's losses."""
    found = [
        analysis.distinguishing(table, -1 if role == "unseen" else 1).set_index("characteristic")
        for df in main
        for role, table in tasks_tables(df).items()
    ]
    values = [table.loc["loss_ratio", "rho"] for table in found]
    return f"{signed(min(values))} to {signed(max(values))}"


def loss_ratio(tables):
    """Highest pre-update loss of a task's prompts over the lowest, median over tasks."""
    return f"{tables['past']['loss_ratio'].median():.2f}"


def seen_facts(run):
    """Of a study of seen prompts alone."""
    df = analysis.impacts(run)
    (taken,) = run.provenance["reused"]
    return {
        "RATIO": loss_ratio(tasks_tables(df)),
        "REUSED": str(taken["trials"]),
        "MINUTES": f"{run.status.seconds / 60:.0f}",  # work alone, not pauses
    }


def n_clear(df):
    """Of the six intervals for new tasks, how many exclude zero."""
    n = 0
    for name, role in OUTCOMES:
        for form in FORMS:
            y = in_form(name, form)
            e = analysis.within_task_correlation(df, y=y, role=role, n_permutations=0)
            n += e.lower * e.upper > 0
    return n


def matched_clear(report):
    """Per outcome in score form: how many of the intervals for new tasks exclude zero, in words."""
    counts = []
    for name, role in OUTCOMES:
        (mine,) = [
            o
            for o in report["matched"]["outcomes"]
            if (o["quantity"], o["role"], o["scope"]) == (name, role, "new_tasks")
        ]
        estimates = [row["estimate"] for row in mine["equal_steps"]] + [mine["equal_loss"]]
        assert len(estimates) == 7
        counts.append(WORDS[sum(e["lower"] * e["upper"] > 0 for e in estimates)])
    return counts


def claim_2_range(runs):
    """The smallest and largest estimate of claim 2."""
    values = [
        v.estimate.value
        for run in runs
        for v in analysis.claims(analysis.impacts(run), n_permutations=0)
        if v.claim == "claim_2"
    ]
    return f"{signed(min(values))} to {signed(max(values))}"
