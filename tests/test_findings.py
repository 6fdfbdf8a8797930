"""What README and FINDINGS say of the shipped runs, number by number."""

from functools import cache

import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.claim_values import CLAIM_OUTCOMES
from sapo_analysis.analysis.estimate import FORMS
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.wording import signed
from sapo_analysis.cli.markdown import (
    claims_block,
    distinguishing_block,
    matched_block,
    outcomes_block,
    past_gains_block,
    rivals_block,
    training_block,
)
from sapo_analysis.cli.markdown_review import BLOCKS
from sapo_analysis.store.folder import default_run_id
from sapo_analysis.tasks import get_task
from sapo_analysis.tasks.pocket import TUNING, UNSEEN
from tests.facts import (
    CLEAR_ON_BOTH,
    GENERAL,
    OUTCOMES,
    WORDS,
    beyond_seed,
    claim_2_range,
    listed,
    main_facts,
    matched_clear,
    n_clear,
    otherwise_table,
    primary_table,
    prompts_of,
    rho_range,
    seen_facts,
    sign_of,
    tasks_tables,
    without_forerunners,
    worded,
)
from tests.test_shipped_run import FINDINGS, README, SHIPPED

pytestmark = pytest.mark.slow

ONE_LINE = " ".join(README.split())
STUDY = (
    *(training_block, outcomes_block, claims_block, rivals_block),
    *(block for block, _ in BLOCKS),
)
QUOTED = {
    "tuning": (*STUDY, past_gains_block),
    "main": (*STUDY, past_gains_block, distinguishing_block),
    "seen": STUDY,
    "matched": (matched_block, claims_block, training_block),
    "gains": (training_block,),
}
"""By the last word of a study's name."""


def runs_of(kind):
    """The shipped runs of one kind on both models, in their order."""
    named = [run for run in SHIPPED if run.study.name.endswith(f"-{kind}")]
    return sorted(named, key=lambda run: run.study.name)


MAIN, SEEN = runs_of("main"), runs_of("seen")
(TUNED,) = [run for run in SHIPPED if run.study.name == "tuning"]
(GAINS,) = runs_of("gains")
(MATCHED,) = runs_of("matched")


@pytest.fixture(scope="module")
def both():
    """The main study and its replication."""
    assert default_run_id() == MAIN[0].run_id
    return [analysis.impacts(run) for run in MAIN]


@cache
def report_of(run_id):
    """The report of a shipped run, which takes seconds; nobody changes it."""
    (run,) = [run for run in SHIPPED if run.run_id == run_id]
    return analysis.report(run, n_permutations=0)


@pytest.fixture(scope="module")
def reports():
    return [report_of(run.run_id) for run in MAIN]


@pytest.mark.parametrize("run", SHIPPED, ids=lambda run: run.run_id)
def test_its_tables_are_quoted_as_the_command_prints_them(run):
    found = report_of(run.run_id)
    assert run.run_id in README and run.run_id in FINDINGS
    for block in QUOTED[run.study.name.rsplit("-", 1)[-1]]:
        table = block(found)
        assert table and table in FINDINGS, f"sapo report {run.run_id} --markdown: {block.__name__}"


def span(row):
    return f"{signed(row['lower'])} to {signed(row['upper'])}"


@pytest.fixture(scope="module")
def common(both):
    """The prompts of both."""
    one, two = map(prompts_of, both)
    return one & two


@pytest.fixture(scope="module")
def found(both):
    return [main_facts(df) for df in both]


@pytest.fixture(scope="module")
def seen():
    """The studies of seen prompts alone."""
    return [analysis.impacts(run) for run in SEEN]


def test_r_looked_at_in_other_ways_stands_in_the_readme(both, seen):
    assert otherwise_table(both, seen) in README


def halves(df):
    """The main study's prompts by whether pretraining showed them."""
    return [df[df["prompt_seen"] == met] for met in (0, 1)]


def clear_outcomes(df):
    """Roles whose interval for new tasks excludes zero, in score form."""
    found = {
        role: analysis.within_task_correlation(df, y=name, role=role, n_permutations=0)
        for name, role in OUTCOMES
    }
    return {role for role, e in found.items() if e.lower * e.upper > 0}


def test_the_readme_says_of_the_halves_and_the_other_tasks_what_their_intervals_say(both):
    one, two = ([clear_outcomes(half) for half in halves(df)] for df in both)
    assert [len(a) + len(b) for a, b in zip(one, two, strict=True)] == [3, 3]
    assert two == [{"unseen"}, {"retained"}]
    for df in both:
        rest = df[~df["current_task"].isin(CLEAR_ON_BOTH)]
        assert clear_outcomes(rest) == set()
        for name, role in OUTCOMES:
            e = analysis.within_task_correlation(rest, y=name, role=role, n_permutations=0)
            assert e.value * sign_of(name) > 0


def test_the_primary_results_stand_with_and_without_the_tasks_that_had_forerunners():
    assert primary_table(MAIN) in README
    assert primary_table(MAIN[:1]) in FINDINGS


def test_the_readme_has_the_tables_of_the_run_that_opens_first():
    found = report_of(MAIN[0].run_id)
    for block in (claims_block, outcomes_block, distinguishing_block):
        assert block(found) in README


SAID = (
    "r runs from {a[RMIN]} to {a[RMAX]} over the eleven tasks on `pocket-1`",
    "(Holm), p is {a[HOLM]} on `pocket-1` and {b[HOLM]} on `pocket-2`",
    "On the five alone r is {a[FIVE]} on `pocket-1`, {b[FIVE]} on `pocket-2`.",
    "on `pocket-1` *category* has one at a loss of {a[FAR]} where the others lie between"
    " {a[NEARLOW]} and {a[NEARHIGH]}",
    "on `pocket-1` it is from {a[POWER]} on",
    "for past tasks on {a[HOLDSPAST]} of eleven tasks, for retained ones on {a[HOLDSRET]}, for"
    " unseen ones on {a[HOLDSUN]} on `pocket-1`; on {b[HOLDSPAST]}, {b[HOLDSRET]} and {b[HOLDSUN]}"
    " on `pocket-2`",
    "on {a[CLEARPAST]} of eleven tasks for past and retained tasks on `pocket-1` (category,"
    " opposite, shelf, sound), on {a[CLEARUN]} for unseen ones (material too); on `pocket-2` on"
    " {b[CLEARPAST]} for each (opposite, shelf, sound)",
    "(sd at most {a[SD]} points, upper limits {a[SDLOW]} to {a[SDHIGH]}); on `pocket-2` the limits"
    " are too wide to say (sd at most {b[SD]}, upper limits {b[SDLOW]} to {b[SDHIGH]}; *place*",
)


@pytest.mark.parametrize("said", SAID)
def test_the_readme_says_of_the_main_studies_what_their_tables_say(found, said):
    assert said.format(a=found[0], b=found[1]) in ONE_LINE


def test_the_findings_say_how_far_tasks_differ(found):
    text = " ".join(FINDINGS.split())
    assert f"sd of Fisher's z over tasks {found[0]['SPREAD']} in score" in text


def test_how_many_prompts_both_main_studies_share_is_said(both, common):
    assert len(prompts_of(both[0])) == len(prompts_of(both[1])) == 143
    assert f"Of 143 prompts {len(common)} are the same in both" in ONE_LINE
    assert f"Of its 143 prompts {len(common)} are those of the first." in " ".join(FINDINGS.split())
    for df in both:  # generalization is a mean over these
        general = df[(df["role"] == "unseen") & (df["purpose"] == "main")]
        assert set(general.groupby("current_task")["eval_task"].nunique()) == {15}
        assert set(UNSEEN) < set(general["eval_task"])


def test_what_the_readme_says_of_tasks_without_a_number_is_so(both):
    one, two = map(tasks_tables, both)
    wide = ["category", *CLEAR_ON_BOTH]
    assert beyond_seed(one["past"]) == beyond_seed(one["retained"]) == wide
    assert set(beyond_seed(one["unseen"])) == {*wide, "material"}
    assert all(beyond_seed(table) == CLEAR_ON_BOTH for table in two.values())

    def against(tables, task):
        """Roles for which r goes against the claim on a task, and whether its interval does too."""
        rows = {role: table.set_index("current_task").loc[task] for role, table in tables.items()}
        return {
            role: bool(row["lower"] * row["upper"] > 0)
            for role, row in rows.items()
            if not row["holds"]
        }

    assert against(one, "capital") == {"past": True, "retained": True, "unseen": False}
    assert against(two, "capital") == {"retained": False}
    assert against(two, "flags") == {"past": False, "retained": False, "unseen": True}
    for tables in (one, two):
        for role, table in tables.items():
            times = table.set_index("current_task").loc["times"]
            assert times["lower"] < 0 < times["upper"]
            hints = analysis.distinguishing(table, -1 if role == "unseen" else 1)
            assert 15 * hints["p"].min() > 0.05
    assert f"the spread of a task's losses, {rho_range(both)}." in ONE_LINE
    partners = {other for task in UNSEEN for other in get_task(task).related}
    assert set(one["past"]["current_task"]) & partners == {"category", "times"}
    assert list(analysis.training_check(both[0])["misses"]) == [""] * 11
    missed = analysis.training_check(both[1]).set_index("current_task")["misses"]
    assert list(missed[missed != ""].index) == ["place"] and "in-task sd" in missed["place"]


def test_pre_update_loss_comes_first_of_the_indicators_on_both_models(both):
    for df in both:
        for name, role in OUTCOMES:
            rows = analysis.rivals(df, name, role)
            alone = rows[rows["given"] == ""]
            assert len(alone) == 11
            order = alone.assign(size=alone["r"].abs()).sort_values("size", ascending=False)
            assert order["indicator"].iloc[0] == "pre_update_loss"
            assert set(order["indicator"].iloc[1:3]) == {"gradient_norm", "loss_after_step"}


def test_the_readme_says_how_many_intervals_include_zero_without_forerunners(both):
    counts = []
    for df in both:
        own = without_forerunners(df)
        counts.append(WORDS[6 - n_clear(own)])
        for name, role in OUTCOMES:
            for form in FORMS:
                e = analysis.within_task_correlation(
                    own, y=in_form(name, form), role=role, n_permutations=0
                )
                assert e.value * sign_of(name) > 0
    assert (
        f"r keeps its sign on both models, and {counts[0]} of six intervals include zero on"
        f" `pocket-1`, {counts[1]} on `pocket-2`"
    ) in ONE_LINE


def supported(df, *claims):
    return {
        (v.claim, v.form)
        for v in analysis.claims(df, n_permutations=0)
        if v.scope == "new_tasks" and v.claim in claims and v.verdict == "supported"
    }


def test_the_readme_says_of_the_replication_what_its_verdicts_say(both):
    one, two = (supported(df, *CLAIM_OUTCOMES) for df in both)
    assert len(one) == 6
    assert two == {
        ("claim_3_forgetting_past", "score"),
        ("claim_3_forgetting_retained", "loss"),
        ("claim_3_generalization", "score"),
    }
    assert not [claim for claim in CLAIM_OUTCOMES if {(claim, f) for f in FORMS} <= one & two]
    for run, other in zip(MAIN, reversed(MAIN), strict=True):
        assert other.run_id in run.about and "None does, so all three are open" in run.about
    for df in both:
        for name, role in OUTCOMES:
            for form in FORMS:
                own = analysis.tasks_table(df, in_form(name, form), role, sign_of(name))
                own = own.set_index("current_task").loc[CLEAR_ON_BOTH]
                assert own["holds"].all()
                assert form == "loss" or (own["ratio_lower"] > 0).all()
    for name, role in (("forgetting_loss", "past"), ("forgetting", "retained")):
        e = analysis.within_task_correlation(both[1], y=name, role=role, n_permutations=0)
        assert -0.01 <= round(e.lower, 2) <= 0


def test_the_readme_says_of_the_other_claims_what_their_verdicts_say(both, seen):
    one, two, *rest = (supported(df, "claim_1", "claim_2") for df in (*both, *seen))
    assert one == {("claim_1", "loss"), ("claim_2", "score"), ("claim_2", "loss")}
    assert two == {("claim_2", "score")} and rest == [set(), set()]
    for df in (*both, *seen):
        found = [v for v in analysis.claims(df, n_permutations=0) if v.claim == "claim_2"]
        assert all(v.estimate.lower > 0 for v in found)
    assert f"where no prompt is shown to matter, at {claim_2_range(SEEN)}: a seed's" in ONE_LINE


def test_the_readme_says_of_seen_prompts_alone_what_their_tables_say(found, seen):
    one, two = map(seen_facts, SEEN)
    a, b = found
    for said in (
        f"with {one['REUSED']} of 627 trials, are the main study's",
        f"is {one['RATIO']} times the lowest (median over tasks; {two['RATIO']} on `pocket-2`;"
        f" {a['RATIO']} and {b['RATIO']} in the main studies)",
        f"Of twelve intervals, loss form included, {WORDS[sum(map(n_clear, seen))]} excludes zero:"
        " generalization in score on `pocket-1`.",
    ):
        assert said in ONE_LINE
    assert supported(seen[0], *CLAIM_OUTCOMES) == {("claim_3_generalization", "score")}
    for df in seen:
        assert set(df["prompt_id"].str[-2:].astype(int)) <= set(range(13))  # original and seen
        for table in tasks_tables(df).values():
            assert beyond_seed(table) == []
    for run, facts in zip(SEEN, (one, two), strict=True):
        text = " ".join(FINDINGS[FINDINGS.index(f"`{run.run_id}`") :].split())[:500]
        assert f"{facts['REUSED']} trials were taken over" in text
        assert f"the others took {facts['MINUTES']} minutes" in text


def test_the_readme_says_of_matched_learning_what_its_table_says():
    found = report_of(MATCHED.run_id)
    assert matched_block(found) in README
    for outcome in found["matched"]["outcomes"]:
        name, role = outcome["quantity"], outcome["role"]
        if outcome["scope"] == "new_tasks" and (name, role) in OUTCOMES:
            assert [row["step"] for row in outcome["equal_steps"]] == [5, 10, 20, 30, 40, 50]
            estimates = [row["estimate"] for row in outcome["equal_steps"]]
            for e in (*estimates, outcome["equal_loss"]):
                assert e["value"] * sign_of(name) > 0
    past, retained, unseen = matched_clear(found)
    assert (
        f"of these seven intervals {past} exclude zero for past tasks, {retained} for retained and"
        f" {unseen} for unseen ones"
    ) in ONE_LINE
    (unequal,) = [text for text in found["warnings"] if text.startswith("Unequal learning")]
    assert "Unequal learning in capital:" in unequal and "of past tasks" in unequal


def test_every_prompt_that_may_be_trained_on_teaches_its_task():
    df = analysis.impacts(GAINS)
    assert set(df["current_task"]) == set(TUNING)
    own = df[df["role"] == "current"]
    gain = own.groupby(["current_task", "prompt_id"])["learning"].mean()
    assert len(gain) == 7 * 21 and GAINS.study.evaluation.examples >= 500
    assert gain.min() >= 5
    assert f"the least gain is {gain.min():.0f} points" in ONE_LINE


def test_the_tuning_side_shows_what_a_study_of_forgetting_relies_on():
    impacts = analysis.impacts(TUNED)
    assert (analysis.training_check(impacts)["misses"] == "").all()
    assert (analysis.past_gains(TUNED)["misses"] == "").all()
    assert TUNED.study.evaluation.examples >= 500


def test_the_findings_say_of_the_tuning_side_what_its_tables_say():
    impacts = analysis.impacts(TUNED)
    check, gains = analysis.training_check(impacts), analysis.past_gains(TUNED)["gain"]
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
    assert (
        f"at least {check['least_gain'].min():.0f} points, no task's final scores are shown to"
        " differ between prompts by more than a little (sd at most"
        f" {check['in_task_sd'].max():.1f}),"
        f" past tasks gained {gains.min():.0f} to {gains.max():.0f} points"
    ) in ONE_LINE


def test_the_readme_says_what_the_rule_is_worth(reports):
    worth = [
        {(row["y"], row["role"]): row for row in found["selection_value"]} for found in reports
    ]
    gains = {
        against: [
            next(row for row in values[outcome]["contrasts"] if row["against"] == against)
            for values in worth
            for outcome in OUTCOMES
        ]
        for against in ("random", "original", "highest_loss")
    }
    cells = [f"{signed(row['gain'])} ({span(row)})" for row in gains["random"]]
    assert (
        f"gains {listed(cells[:3])} on `pocket-1` and {', '.join(cells[3:])} on `pocket-2`: none of"
        " six intervals excludes zero. Against the prompt that the task came with, none does"
        " either, and five of six gains are below zero. Against the prompt with the *highest* loss"
        " all six are positive and four exclude zero"
    ) in ONE_LINE
    clear = {against: sum(row["lower"] > 0 for row in rows) for against, rows in gains.items()}
    assert clear == {"random": 0, "original": 0, "highest_loss": 4}
    assert not any(row["upper"] < 0 for rows in gains.values() for row in rows)
    assert sum(row["gain"] < 0 for row in gains["original"]) == 5
    assert all(row["gain"] > 0 for row in gains["highest_loss"])
    units = [worth[0][outcome]["unit"] for outcome in OUTCOMES]
    assert [unit.split()[0] for unit in units] == ["standard", "points", "standard"]
    hits = [[f"{values[o]['hit_rate']['value']:.2f}" for o in OUTCOMES] for values in worth]
    assert f"in {', '.join(hits[0])} and {', '.join(hits[1])} of cases, 0.08 at random" in ONE_LINE


def test_the_readme_says_of_indicators_what_the_boards_say(reports):
    cells = []
    for found in reports:
        boards = {(board["y"], board["role"]): board for board in found["indicator_board"]}
        for outcome in OUTCOMES:
            tested = [row["difference_p_adjusted"] for row in boards[outcome]["rows"]]
            tested = [p for p in tested if p is not None]
            assert len(tested) == 13 and min(tested) >= 0.05
            winner = boards[outcome]["winner"]
            cells.append(f"{signed(winner['r'])} ({span(winner)})")
    said = f"= {listed(cells[:3])} on `pocket-1`, {', '.join(cells[3:])} on `pocket-2`."
    assert said in ONE_LINE and "no indicator differs from pre-update loss" in ONE_LINE


def test_the_readme_says_of_shares_and_parts_what_the_tables_say(reports, seen):
    shares, parts = [], []
    for found in reports:
        (row,) = [row for row in found["claim_1_shares"] if row["form"] == "score"]
        two = [signed(row[name]).lstrip("+") for name in ("share_in_task", "share_cross_task")]
        shares.append((two, f"{signed(row['difference'])}, {span(row)}"))
        parts.append({f: own["prompt"]["new_tasks"] for f, own in found["structure"].items()})
    (a, b), (c, d) = shares
    assert (
        f"{a[0]} lies between prompts in-task and {a[1]} on other tasks on `pocket-1` (difference"
        f" {b}), {c[0]} and {c[1]} on `pocket-2` ({d})"
    ) in ONE_LINE
    said = {
        form: " and ".join(f"{signed(own[form]['value'])} ({span(own[form])})" for own in parts)
        for form in FORMS
    }
    assert f"what different seeds share is {said['score']} in score, {said['loss']} in loss" in (
        ONE_LINE
    )
    alone = [analysis.cross_task_structure(df, n_permutations=0).prompt["new_tasks"] for df in seen]
    cells = [
        f"{signed(row['value'])} ({span(row)})"
        for row in reports[0]["corrected"]
        if (row["y"], row["role"]) in OUTCOMES
    ]
    assert f"by plain means over tasks, is {listed(cells)} on `pocket-1`" in ONE_LINE
    of_seen = " and ".join(worded(e) for e in alone)
    assert f"On seen prompts alone it is {of_seen} in score" in ONE_LINE
