"""One sentence per claim with both verdicts and both forms; a warning for each planted fault."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis import claims, impacts, no_verdict
from sapo_analysis.analysis.claims import CLAIMS
from sapo_analysis.analysis.sentences import claim_sentences
from sapo_analysis.store import open_run
from tests.analysis.conftest import exact
from tests.synthetic import Truth, write_run

PAST = "claim_3_forgetting_past"
START = "Pre-update loss and forgetting of past tasks: "
NUMBERS = {
    ("new_tasks", "score"): (0.31, -0.05, 0.60),
    ("these_tasks", "score"): (0.31, 0.20, 0.41),
    ("new_tasks", "loss"): (0.28, -0.10, 0.58),
    ("these_tasks", "loss"): (0.28, 0.15, 0.40),
}
WORDS = dict.fromkeys(NUMBERS, "unclear")
WORDS |= {key: "supported" for key in NUMBERS if key[0] == "these_tasks"}


@pytest.fixture(scope="module")
def judged(df):
    return claims(df, n_permutations=0)


@pytest.fixture
def said(df, judged):
    """The sentence on forgetting of past tasks, its numbers and words as given."""

    def of(numbers, words, **settings):
        made = []
        for v in judged:
            value, lower, upper = numbers[v.scope, v.form]
            estimate = replace(v.estimate, value=value, lower=lower, upper=upper)
            made.append(replace(v, verdict=words[v.scope, v.form], estimate=estimate))
        return sentence_on(claim_sentences(made, df, **settings)).sentence

    return of


def sentence_on(found, claim=PAST):
    return next(one for one in found if one.claim == claim)


def of_prompts(df, values):
    """A column of one number per current task and prompt, from values [tasks, prompts]."""
    keys = ("current_task", "prompt_id")
    tasks, prompts = (np.unique(df[name], return_inverse=True)[1] for name in keys)
    return pd.Series(np.asarray(values)[tasks, prompts], df.index)


def with_r(df, correlations):
    """Exactly these correlations of pre-update loss and forgetting of past tasks, task by task."""
    rng = np.random.default_rng(0)
    n = df["prompt_id"].nunique()
    x, y = np.moveaxis([exact(r, n, rng) for r in correlations], 1, 0)
    y = of_prompts(df, y).where(df["role"] == "past", df["forgetting"])
    return df.assign(
        pre_update_loss=of_prompts(df, x), forgetting=y, forgetting_loss=y / 50
    )  # fmt: skip


def warnings(df, claim=PAST, **settings):
    return sentence_on(
        claim_sentences(claims(df, n_permutations=0), df, **settings), claim
    ).warnings


def test_two_verdicts_and_both_forms_stand_in_one_sentence(said):
    assert said(NUMBERS, WORDS) == (
        START + "unclear for new tasks (r = +0.31, −0.05 to +0.60), supported for these tasks"
        " (+0.20 to +0.41); in loss +0.28, the same sign."
    )


def test_a_form_with_another_verdict_says_which(said):
    words = WORDS | {("these_tasks", "loss"): "unclear"}
    assert said(NUMBERS | {("these_tasks", "loss"): (0.28, -0.02, 0.4)}, words).endswith(
        "; in loss +0.28, the same sign, but unclear for these tasks (−0.02 to +0.40)."
    )
    other = {key: (-0.12, -0.5, 0.3) if key[1] == "loss" else NUMBERS[key] for key in NUMBERS}
    assert said(other, dict.fromkeys(NUMBERS, "unclear")).endswith(
        "; in loss −0.12, the opposite sign, which leaves it unclear."
    )


def test_too_few_tasks_for_new_ones_come_second(said):
    words = WORDS | {("new_tasks", form): "too few" for form in ("score", "loss")}
    numbers = NUMBERS | {("new_tasks", "score"): (0.31, np.nan, np.nan)}
    assert said(numbers, words).startswith(
        START + "supported for these tasks (r = +0.31, +0.20 to +0.41), too few tasks for new tasks"
        " (no interval from 5 tasks); in loss"
    )


def test_a_form_without_a_value_does_not_lead(said):
    gone = {key: (np.nan,) * 3 if key[1] == "score" else NUMBERS[key] for key in NUMBERS}
    assert said(gone, WORDS).startswith(START + "in loss, unclear for new tasks (r = +0.28, −0.10")
    assert said(gone, WORDS).endswith("; in score no value.")
    gone = {key: (np.nan,) * 3 if key[1] == "loss" else NUMBERS[key] for key in NUMBERS}
    assert said(gone, WORDS).endswith("; in loss no value.")
    none = said(dict.fromkeys(NUMBERS, (np.nan,) * 3), dict.fromkeys(NUMBERS, "unclear"))
    assert none.startswith(START + "unclear for new tasks, unclear for these tasks. ")
    assert "nan" not in none


def test_every_claim_has_its_sentence_with_the_numbers_judged(df, judged):
    found = claim_sentences(judged, df)
    assert [one.claim for one in found] == list(CLAIMS)
    for one in found:
        v = next(
            v for v in judged if (v.claim, v.scope, v.form) == (one.claim, "new_tasks", "score")
        )
        symbol = "log ratio" if one.claim == "claim_1" else "r"
        value = f"{v.estimate.value:+.2f}".replace("-", "−")
        assert f"{v.verdict} for new tasks ({symbol} = {value}, " in one.sentence
        assert one.sentence.endswith(".") and one.sentence.count("new tasks") == 1
    document = [one.to_dict() for one in found]
    assert json.loads(json.dumps(document)) == document
    other = claim_sentences(claims(df, "prompt_length", 0), df, x="prompt_length")
    assert sentence_on(other).sentence.startswith("Prompt length and forgetting of past tasks: ")


def test_a_study_without_verdicts_has_numbers_and_says_why(tmp_path, df, judged):
    random = open_run(write_run(tmp_path, n_tasks=2, n_prompts=5, weights="random", name="random"))
    half = open_run(write_run(tmp_path, n_tasks=2, n_prompts=12, finish=False, name="half"))
    for run, given in ((random, []), (half, []), (half, claims(impacts(half), n_permutations=0))):
        for one in claim_sentences(given, impacts(run), run):
            assert one.sentence.count("no verdict; ") == 1
            assert one.sentence.endswith(no_verdict([run]))
            words = one.sentence.removesuffix(no_verdict([run]))
            assert not any(word in words for word in ("supported", "contradicted", "unclear"))
    one = sentence_on(claim_sentences([], df)).sentence
    assert one.startswith(START + "no verdict; r = +0.") and "(new tasks " in one
    part = [replace(v, estimate=replace(v.estimate, value=0.77)) for v in judged if v.claim == PAST]
    mixed = claim_sentences(part, df)
    assert "r = +0.77" in sentence_on(mixed).sentence
    assert [("no verdict" not in m.sentence) == (m.claim == PAST) for m in mixed] == [True] * 5


def test_a_claim_without_data_says_what_is_missing(df):
    bare = df[df["role"] != "retained"]
    one = sentence_on(
        claim_sentences(claims(bare, n_permutations=0), bare), "claim_3_forgetting_retained"
    )
    assert one.sentence == (
        "Pre-update loss and forgetting of retained tasks: no verdict."
        " The study has no retained tasks."
    )
    assert one.warnings == ()
    flat = df.assign(pre_update_loss=1.0)
    one = sentence_on(claim_sentences(claims(flat, n_permutations=0), flat))
    assert "No current task could be used" in one.sentence and "nan" not in one.sentence
    one = sentence_on(claim_sentences([], flat))
    assert one.sentence.startswith(START + "no verdict and no number. No current task")


def test_nothing_is_warned_of_where_all_is_well(df):
    assert warnings(with_r(df, [0.5, 0.55, 0.6, 0.52, 0.58])) == ()


def test_few_tasks_and_prompts_are_warned_of(df):
    table = with_r(df, [0.5, 0.55, 0.6, 0.52, 0.58])
    few = table[table["current_task"] < "current-3"]
    found = warnings(few)
    assert found[0].startswith("3 usable current tasks; new tasks need at least 4.")
    assert not any("interval for new tasks" in text for text in found)
    short = table[table["prompt_id"] < "para-08"]
    assert "A task has 8 prompts; a verdict on these tasks needs 10." in warnings(short)


def test_a_pooled_correlation_of_the_other_sign_is_warned_of(df):
    table = with_r(df, [0.5, 0.55, 0.6, 0.52, 0.58])
    level = table["current_task"].str[-1].astype(int) * 10
    past = table["role"] == "past"
    table["pre_update_loss"] += level
    table["forgetting"] -= level.where(past, 0)
    table["forgetting_loss"] -= (level / 50).where(past, 0)
    (found,) = warnings(table)
    assert found.startswith("Signs differ: within tasks +0.55, but pooled −0.9")


def test_other_levels_of_the_other_sign_are_warned_of(df):
    found = warnings(with_r(df, [0.99, 0.99, -0.2, -0.3, -0.2]))
    assert any(
        text.startswith("Signs differ") and "3 of 5 tasks with the other sign" in text
        for text in found
    )
    table = with_r(df, [0.5, 0.55, 0.6, 0.52, 0.58])
    turned = table.assign(forgetting_loss=-table["forgetting_loss"])
    assert "but in loss −0.55." in warnings(turned)[0]
    far = table["prompt_id"] == "para-04"
    x = of_prompts(df, np.random.default_rng(1).standard_normal((5, 12)))
    y = (-x).mask(far, 60.0)
    bent = table.assign(
        pre_update_loss=x.mask(far, 60.0), forgetting=y.where(table["forgetting"].notna())
    )
    assert any("Spearman −" in text for text in warnings(bent))


def test_a_planted_outlier_is_named(df):
    table = with_r(df, [0.3, 0.35, 0.3, 0.4, 0.35])
    one = (table["current_task"] == "current-2") & (table["prompt_id"] == "para-07")
    past = one & (table["role"] == "past")
    table["pre_update_loss"] = table["pre_update_loss"].mask(one, 1e3)
    table["forgetting"] = table["forgetting"].mask(past, -1e6)
    found = warnings(table)
    start = "One prompt decides the sign: without para-07 of current-2 r is +0."
    assert any(text.startswith(start) for text in found)
    # In the other form it is no outlier.
    assert not any(text.startswith("In loss: one prompt") for text in found)


def test_one_task_that_carries_claim_1_is_named(df):
    other = df["role"] != "current"
    loud = other & (df["current_task"] == "current-3")
    table = df.assign(impact=(df["impact"] / 6.0).mask(loud, df["impact"] * 1e3))
    found = warnings(table, "claim_1")
    assert any("current-3" in text for text in found)


def test_unequal_learning_is_warned_of_for_forgetting(df):
    table = with_r(df, [0.5, 0.55, 0.6, 0.52, 0.58])
    own = table["role"] == "current"
    lost = of_prompts(df, np.random.default_rng(4).standard_normal((5, 12)))
    unequal = table.assign(
        loss_after=table["loss_after"].mask(own, -lost),
        loss_change=table["loss_change"].mask(table["role"] == "past", lost),
    )
    assert any(text.startswith("Unequal learning in current-0") for text in warnings(unequal))
    others = warnings(unequal, "claim_3_generalization")
    assert not any("Unequal learning" in text for text in others)
    bare = table.drop(columns="loss_change")
    assert warnings(bare) == ("Whether prompts learned equally much is not known.",)


def test_reliability_is_warned_of_where_low_or_not_known(df):
    table = with_r(df, [0.5, 0.55, 0.6, 0.52, 0.58])
    noise = np.random.default_rng(6).standard_normal(len(df))
    loud = table.assign(forgetting=table["forgetting"] + 20 * noise)
    found = [text for text in warnings(loud) if "reliability" in text]
    assert len(found) == 1 and found[0].startswith("In score: reliability over 2 seeds 0.")
    alone = table[table["seed"] == 0]
    for claim in CLAIMS:
        assert "One seed: the outcome's reliability is not known." in warnings(alone, claim)


def test_runs_may_be_one_or_several(synthetic, df, judged):
    assert claim_sentences(judged, df, synthetic) == claim_sentences(judged, df, [synthetic])
    assert claim_sentences(judged, df, synthetic) == claim_sentences(judged, df)


def test_an_r_of_claim_2_that_the_seed_alone_could_make_is_said_to_be_unclear_and_why(tmp_path):
    truth = Truth(r=0.0, spread=1.0, in_task_spread=0.0, noise=4.0, own=1.0)
    shape = {"n_tasks": 6, "n_prompts": 12, "seeds": [0, 1, 2]}
    run = open_run(write_run(tmp_path, **shape, truth=truth, seed=1))
    table = impacts(run)
    judged = claims(table, n_permutations=0)
    (new, *_) = [v for v in judged if (v.claim, v.form) == ("claim_2", "score")]
    assert new.verdict == "unclear" and new.estimate.lower > 0
    warned = sentence_on(claim_sentences(judged, table, run), "claim_2").warnings
    of_seed = [text for text in warned if "the seed alone would give" in text]
    assert [text[:9] for text in of_seed] == ["In score,", "In loss, "]
    assert of_seed[0] == f"In score, for new tasks, unclear: {new.reason}"
    silent = sentence_on(claim_sentences([], table, run), "claim_2").warnings
    assert not any("unclear" in text for text in silent)
