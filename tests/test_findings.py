"""What README and FINDINGS say of the shipped runs, number by number."""

import math

import numpy as np
import pandas as pd
import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.claims import CLAIM_NAMES, CLAIM_OUTCOMES
from sapo_analysis.analysis.estimate import FORMS
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.wording import signed
from sapo_analysis.cli.markdown import claims_block, distinguishing_block, outcomes_block
from sapo_analysis.store.folder import default_run_id
from tests.test_shipped_run import FINDINGS, README, SHIPPED

GENERAL = "generalization"
FORERUNNERS = ("category", "place", "opposite")
MAIN = [run for run in SHIPPED if run.study.name.endswith("-main")]


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


@pytest.fixture(scope="module")
def first():
    (run,) = [run for run in MAIN if run.run_id == default_run_id()]
    return analysis.impacts(run)


def fisher_variance(table):
    return np.arctanh(table["r"].astype(float)).var(ddof=1)


def test_the_readme_says_of_the_main_study_what_its_tables_say(first):
    tables = {
        role: analysis.tasks_table(first, name, role, -1 if name == GENERAL else 1)
        for name, role in CLAIM_OUTCOMES.values()
    }
    holds = {role: WORDS[int(table["holds"].sum())] for role, table in tables.items()}
    clear = {
        role: set(table.loc[table["ratio_lower"] > 0, "current_task"])
        for role, table in tables.items()
    }
    rows = pd.concat(
        analysis.rivals(first, name, role).assign(role=role)
        for name, role in CLAIM_OUTCOMES.values()
    )
    given_both = "prompt_length and log_prompt_frequency"
    beyond = rows[(rows["indicator"] == "pre_update_loss") & (rows["given"] == given_both)]
    familiar = rows[
        (rows["indicator"] == "log_prompt_frequency") & (rows["given"] == "pre_update_loss")
    ]
    alone = rows[rows["given"] == ""]
    order = alone.assign(size=alone["r"].abs()).sort_values("size", ascending=False)
    best = {role: list(part["indicator"][:3]) for role, part in order.groupby("role")}
    hints = analysis.distinguishing(tables["retained"], 1).set_index("characteristic")
    sd = analysis.training_check(first)["in_task_sd"].max()
    past, retained, unseen = (signed(r) for r in beyond["r"])
    losses = analysis.prompts_table(first, "forgetting", "retained")
    losses = losses[losses["current_task"] == "category"]["pre_update_loss"].sort_values()
    ranks = [
        analysis.within_task_correlation(
            first, y=name, role=role, statistic="spearman", n_permutations=0
        )
        for name, role in CLAIM_OUTCOMES.values()
    ]
    in_words = [f"{signed(e.value)} ({signed(e.lower)} to {signed(e.upper)})" for e in ranks]
    z = {role: math.sqrt(fisher_variance(table)) for role, table in tables.items()}
    assert (
        f"{z['past']:.2f} (past), {z['retained']:.2f} (retained) and {z['unseen']:.2f} (unseen) in"
        " score"
    ) in " ".join(FINDINGS.split())
    text = " ".join(README.split())
    for said in (
        f"one at a loss of {losses.iloc[-1]:.1f} where the others lie between"
        f" {losses.iloc[0]:.1f} and {losses.iloc[-2]:.1f}",
        f"{in_words[0]} past, {in_words[1]} retained, {in_words[2]} unseen",
        f"r is {past} (past), {retained} (retained) and {unseen} (unseen), each interval clear",
        f"is {', '.join(signed(r) for r in familiar['r'][:2])} and"
        f" {signed(familiar['r'].iloc[2])}, none clear of zero",
        f"for past tasks on {holds['past']} of eleven tasks, for retained ones on"
        f" {holds['retained']}, for unseen ones on {holds['unseen']}",
        f"(retained: ρ = {signed(hints.loc['loss_ratio', 'rho'])} over tasks,"
        f" p = {hints.loc['loss_ratio', 'p']:.2f}",
        f"(sd over prompts at most {sd:.1f} points",
        f"{WORDS[len(clear['past'])]} of eleven tasks for past tasks"
        f" ({', '.join(sorted(clear['past']))})",
        f"the same four for retained and {WORDS[len(clear['unseen'])]} for unseen ones"
        f" ({', '.join(clear['unseen'] - clear['past'])} too)",
    ):
        assert said in text
    assert clear["past"] == clear["retained"] and len(clear["past"]) == 4
    assert (beyond["lower"] * beyond["upper"] > 0).all()
    assert (familiar["lower"] * familiar["upper"] < 0).all()
    assert {names[0] for names in best.values()} == {"pre_update_loss"}
    assert {frozenset(names[1:]) for names in best.values()} == {
        frozenset({"loss_after_step", "gradient_norm"})
    }
    for role, table in tables.items():
        capital = table.set_index("current_task").loc["capital"]
        assert not capital["holds"]
        assert (capital["lower"] * capital["upper"] > 0) == (role != "unseen")
