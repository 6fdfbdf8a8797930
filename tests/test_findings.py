"""What README and FINDINGS say of the shipped runs, number by number."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from sapo_analysis import analysis
from sapo_analysis.analysis.claims import CLAIM_NAMES, CLAIM_OUTCOMES
from sapo_analysis.analysis.estimate import FORMS
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.wording import signed
from sapo_analysis.cli.markdown import claims_block, distinguishing_block, outcomes_block
from sapo_analysis.store.folder import default_run_id
from sapo_analysis.tasks import get_task
from sapo_analysis.tasks.pocket import UNSEEN
from tests.test_shipped_run import FINDINGS, README, SHIPPED

GENERAL = "generalization"
FORERUNNERS = ("category", "place", "opposite")
MAIN = sorted(
    (run for run in SHIPPED if run.study.name.endswith("-main")), key=lambda run: run.study.name
)


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
                own = df[~df["current_task"].isin(FORERUNNERS)]
                cells += [
                    estimate(df, in_form(name, form), role),
                    found[claim, form, "new_tasks"],
                    estimate(own, in_form(name, form), role),
                ]
            lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def estimate(df, y, role):
    e = analysis.within_task_correlation(df, y=y, role=role, scope="new_tasks", n_permutations=0)
    return f"{signed(e.value)} ({signed(e.lower)} to {signed(e.upper)})"


def test_the_primary_results_stand_with_and_without_the_tasks_that_had_forerunners():
    table = primary_table(MAIN)
    assert table in README


def test_the_readme_has_the_tables_of_the_run_that_opens_first():
    (run,) = [run for run in MAIN if run.run_id == default_run_id()]
    found = analysis.report(run, n_permutations=0)
    for block in (claims_block, outcomes_block, distinguishing_block):
        assert block(found) in README


@pytest.fixture(scope="module")
def tuning():
    (run,) = [run for run in SHIPPED if run.study.name == "tuning"]
    return run


def test_the_tuning_side_shows_what_a_study_of_forgetting_relies_on(tuning):
    impacts = analysis.impacts(tuning)
    assert (analysis.training_check(impacts)["misses"] == "").all()
    assert (analysis.past_gains(tuning)["misses"] == "").all()
    assert tuning.study.evaluation.examples >= 500


def test_the_findings_say_of_the_tuning_side_what_its_tables_say(tuning):
    impacts = analysis.impacts(tuning)
    check, gains = analysis.training_check(impacts), analysis.past_gains(tuning)["gain"]
    upper = check["in_task_sd_upper"]
    prompt_effects = {
        role: analysis.prompt_effects(impacts, y, role=role).set_index("current_task")
        for y, role in (*(("forgetting", r) for r in ("past", "retained")), (GENERAL, "unseen"))
    }
    beyond = {
        role: ", ".join(table.index[table["ratio_lower"] > 0])
        for role, table in prompt_effects.items()
    }
    r_of = {
        role: [e.value for e in analysis.task_correlations(impacts, y=y, role=role)]
        for y, role in (("forgetting", "retained"), (GENERAL, "unseen"))
    }
    text = " ".join(FINDINGS.split())
    for said in (
        f"gains of {gains.min():.0f} to {gains.max():.0f} points in every seed",
        f"at least {check['least_gain'].min():.0f} points gained",
        f"in-task sd estimated at most {check['in_task_sd'].max():.1f},"
        f" upper limits {upper.min():.1f} to {upper.max():.1f}",
        f"for *retained* tasks on two of the five ({beyond['retained']}),"
        f" for *unseen* ones on two ({beyond['unseen']}), for *past* tasks on none",
        f"for retained tasks it goes from {signed(min(r_of['retained']))}"
        f" to {signed(max(r_of['retained']))},"
        f" for unseen ones from {signed(min(r_of['unseen']))} to {signed(max(r_of['unseen']))}",
    ):
        assert said in text
    assert beyond["past"] == ""


WORDS = "none one two three four five six seven eight nine ten eleven".split()
ROLES = [role for _, role in CLAIM_OUTCOMES.values()]
CLEAR = ["category", "opposite", "shelf", "sound"]


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
        for name, role in CLAIM_OUTCOMES.values()
    ]
    return ", ".join(f"{p:.2f} ({role})" for role, p in zip(ROLES, holm(larger), strict=True))


def ranks(df):
    found = [
        analysis.within_task_correlation(
            df, y=name, role=role, statistic="spearman", n_permutations=0
        )
        for name, role in CLAIM_OUTCOMES.values()
    ]
    return listed([f"{signed(e.value)} ({signed(e.lower)} to {signed(e.upper)})" for e in found])


def listed(values):
    return ", ".join(f"{value} {role}" for value, role in zip(values, ROLES, strict=True))


def facts(df):
    """What the README says of a main study in words, by name."""
    tables = {
        role: analysis.tasks_table(df, name, role, -1 if name == GENERAL else 1)
        for name, role in CLAIM_OUTCOMES.values()
    }
    rows = pd.concat(
        analysis.rivals(df, name, role).assign(role=role) for name, role in CLAIM_OUTCOMES.values()
    ).set_index(["indicator", "given"])
    losses = analysis.prompts_table(df, "forgetting", "retained").set_index("current_task")
    losses = losses.loc["category", "pre_update_loss"].sort_values()
    check = analysis.training_check(df)
    spread = [fisher_z(df, name, role).std(ddof=1) for name, role in CLAIM_OUTCOMES.values()]
    n_tasks = len(tables["past"])
    needed = np.tanh([analysis.smallest_detectable(sd, n_tasks) for sd in spread])

    def interval(row):
        return f"{signed(row['r'])} ({signed(row['lower'])} to {signed(row['upper'])})"

    def partial(indicator, given):
        return listed([interval(row) for _, row in rows.loc[(indicator, given)].iterrows()])

    return {
        "RMIN": signed(tables["retained"]["r"].min()),
        "RMAX": signed(tables["retained"]["r"].max()),
        "HOLM": corrected(df),
        "FAR": f"{losses.iloc[-1]:.1f}",
        "NEARLOW": f"{losses.iloc[0]:.1f}",
        "NEARHIGH": f"{losses.iloc[-2]:.1f}",
        "RANKS": ranks(df),
        "POWER": listed([f"{r:.2f}" for r in needed]),
        "SPREAD": listed([f"{sd:.2f}" for sd in spread]),
        "BEYOND": partial("pre_update_loss", "prompt_length and log_prompt_frequency"),
        "FAMILIAR": partial("log_prompt_frequency", "pre_update_loss"),
        "HOLDSPAST": WORDS[int(tables["past"]["holds"].sum())],
        "HOLDSRET": WORDS[int(tables["retained"]["holds"].sum())],
        "HOLDSUN": WORDS[int(tables["unseen"]["holds"].sum())],
        "CLEARPAST": WORDS[len(beyond_seed(tables["past"]))],
        "CLEARUN": WORDS[len(beyond_seed(tables["unseen"]))],
        "SD": f"{check['in_task_sd'].max():.1f}",
        "SDLOW": f"{check['in_task_sd_upper'].min():.1f}",
        "SDHIGH": f"{check['in_task_sd_upper'].max():.1f}",
    }


def beyond_seed(table):
    return sorted(table.loc[table["ratio_lower"] > 0, "current_task"])


@pytest.fixture(scope="module")
def both():
    """The main study and its replication."""
    assert default_run_id() == MAIN[0].run_id
    return [analysis.impacts(run) for run in MAIN]


@pytest.fixture(scope="module")
def first(both):
    return both[0]


@pytest.fixture(scope="module")
def found(both):
    return [facts(df) for df in both]


def test_the_readme_says_of_the_main_study_what_its_tables_say(found):
    text = " ".join(README.split())
    for said in (
        "r runs from {RMIN} to {RMAX} over the eleven tasks on `pocket-1`",
        "one at a loss of {FAR} where the others lie between {NEARLOW} and {NEARHIGH}",
        "on `pocket-1` it is from {POWER} on",
        "for past tasks on {HOLDSPAST} of eleven tasks, for retained ones on {HOLDSRET},"
        " for unseen ones on {HOLDSUN}",
        "on {CLEARPAST} of eleven tasks for past and retained tasks ("
        + ", ".join(CLEAR)
        + "), on {CLEARUN} for unseen ones (material too)",
        "(sd at most {SD} points on `pocket-1`, upper limits {SDLOW} to {SDHIGH})",
    ):
        assert said.format(**found[0]) in text


def test_the_readme_says_the_same_of_both_main_studies(found):
    text = " ".join(README.split())
    one, two = found
    for said in (
        f"(Holm), p is {one['HOLM']} on `pocket-1` and {two['HOLM']} on `pocket-2`",
        f"by ranks (Spearman) r is {one['RANKS']} on `pocket-1`; {two['RANKS']} on `pocket-2`",
        f"held fixed, r is {one['BEYOND']} on `pocket-1`; {two['BEYOND']} on `pocket-2`",
        f"held fixed: {one['FAMILIAR']} on `pocket-1`; {two['FAMILIAR']} on `pocket-2`",
    ):
        assert said in text


def test_the_findings_say_how_far_tasks_differ(found):
    text = " ".join(FINDINGS.split())
    assert f"sd of Fisher's z over tasks {found[0]['SPREAD']} in score" in text


def test_what_the_readme_says_without_a_number_is_so(first):
    tables = {
        role: analysis.tasks_table(first, name, role, -1 if name == GENERAL else 1)
        for name, role in CLAIM_OUTCOMES.values()
    }
    assert beyond_seed(tables["past"]) == beyond_seed(tables["retained"]) == CLEAR
    assert set(beyond_seed(tables["unseen"])) == {*CLEAR, "material"}
    for (name, role), table in zip(CLAIM_OUTCOMES.values(), tables.values(), strict=True):
        own = table.set_index("current_task")
        clear = own["lower"] * own["upper"] > 0
        assert not own.loc["capital", "holds"] and clear["capital"] == (role != "unseen")
        assert not clear[["times", "price", "flags"]].any()
        found = analysis.rivals(first, name, role)
        rows = found.set_index(["indicator", "given"])
        familiar = rows.loc[("log_prompt_frequency", "pre_update_loss")]
        assert familiar["lower"] < 0 < familiar["upper"]
        alone = found[found["given"] == ""]
        order = alone.assign(size=alone["r"].abs()).sort_values("size", ascending=False)
        assert order["indicator"].iloc[0] == "pre_update_loss"
        assert set(order["indicator"].iloc[1:3]) == {"gradient_norm", "loss_after_step"}
        hints = analysis.distinguishing(table, -1 if name == GENERAL else 1)
        assert 15 * hints["p"].min() > 0.05
    partners = {other for task in UNSEEN for other in get_task(task).related}
    assert set(tables["past"]["current_task"]) & partners == {"category", "times"}


def test_the_readme_says_how_many_intervals_include_zero_without_forerunners(first):
    own = first[~first["current_task"].isin(FORERUNNERS)]
    n = 0
    for name, role in CLAIM_OUTCOMES.values():
        for form in FORMS:
            e = analysis.within_task_correlation(
                own, y=in_form(name, form), role=role, n_permutations=0
            )
            n += e.lower < 0 < e.upper
            assert (e.value > 0) == (name != GENERAL)
    said = f"r keeps its sign and {WORDS[n]} of six intervals include zero"
    assert said in " ".join(README.split())


def test_the_readme_says_of_the_replication_what_its_verdicts_say(both):
    supported = [
        {
            (v.claim, v.form)
            for v in analysis.claims(df, n_permutations=0)
            if v.scope == "new_tasks" and v.claim in CLAIM_OUTCOMES and v.verdict == "supported"
        }
        for df in both
    ]
    assert len(supported[0]) == 6
    assert supported[1] == {
        ("claim_3_forgetting_past", "score"),
        ("claim_3_forgetting_retained", "loss"),
        ("claim_3_generalization", "score"),
    }
    common = supported[0] & supported[1]
    assert not [claim for claim in CLAIM_OUTCOMES if {(claim, f) for f in FORMS} <= common]
    for run, other in zip(MAIN, reversed(MAIN), strict=True):
        assert other.run_id in run.about and "None does, so all three are open" in run.about
    for df in both:
        for name, role in CLAIM_OUTCOMES.values():
            sign = -1 if name == GENERAL else 1
            for form in FORMS:
                own = analysis.tasks_table(df, in_form(name, form), role, sign)
                own = own.set_index("current_task").loc[["opposite", "shelf", "sound"]]
                assert own["holds"].all()
                assert form == "loss" or (own["ratio_lower"] > 0).all()
    for name, role in (("forgetting_loss", "past"), ("forgetting", "retained")):
        e = analysis.within_task_correlation(both[1], y=name, role=role, n_permutations=0)
        assert -0.01 <= round(e.lower, 2) <= 0
