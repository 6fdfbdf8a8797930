"""What a study of a size would give, and what size a wish takes: against simulation and by hand."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, nct, norm
from scipy.stats import t as student_t
from statsmodels.stats.power import TTestPower

from sapo_analysis.analysis import within_task_correlation
from sapo_analysis.analysis.next_study.expected import precision, typical
from sapo_analysis.analysis.next_study.pilot import ASSUMED_EFFECT, ASSUMED_TAU, Pilot, pilot_of
from sapo_analysis.analysis.next_study.planning import (
    COLUMNS,
    PROMPTS,
    SEEDS,
    outlook,
    plan_study,
)
from sapo_analysis.analysis.noise.variance import two_way
from sapo_analysis.errors import InputError

KNOWN = Pilot(effect=0.4, tau=0.3, share=0.4, share_x=0.8)
NAMES = {"y": "y", "x": "x"}


def studies(rng, m, k, n, n_seeds, pilot):
    """Fisher's z of m studies x k tasks, from points drawn as the model says."""
    r = np.tanh(rng.normal(math.atanh(pilot.effect), pilot.tau, (m, k, 1)))
    x, e = rng.standard_normal((2, m, k, n))
    y = r * x + np.sqrt(1 - r**2) * e
    for values, share in ((x, pilot.share_x), (y, pilot.share)):
        noise = rng.standard_normal((m, k, n, n_seeds)).mean(axis=-1)
        values += math.sqrt(1 / share - 1) * noise
    x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
    return np.arctanh((x * y).sum(-1) / np.sqrt((x * x).sum(-1) * (y * y).sum(-1)))


def trials(rng, k=6, n=12, n_seeds=3, r=0.6, tau=0.0, share=0.5, share_x=1.0):
    """A table of k tasks x n prompts x seeds; a seed moves all prompts alike too."""
    rows = []
    for i in range(k):
        own_r = math.tanh(rng.normal(math.atanh(r), tau))
        x, e = rng.standard_normal((2, n))
        y = own_r * x + math.sqrt(1 - own_r**2) * e
        for seed, common in enumerate(rng.normal(0, 3, n_seeds)):
            noise_x, noise_y = rng.standard_normal((2, n))
            rows.append(
                pd.DataFrame(
                    {
                        "current_task": f"t{i}",
                        "prompt_id": [f"p{j:03d}" for j in range(n)],
                        "seed": seed,
                        "x": x + math.sqrt(1 / share_x - 1) * noise_x,
                        "y": y + math.sqrt(1 / share - 1) * noise_y + common,
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


@pytest.mark.parametrize(
    ("pilot", "k", "n", "n_seeds"),
    [
        (Pilot(effect=0.4, tau=0.3, share=1.0, share_x=1.0), 8, 13, 1),
        (KNOWN, 8, 13, 1),
        (KNOWN, 8, 13, 3),
        (Pilot(effect=0.3, tau=0.0, share=0.5, share_x=1.0), 6, 24, 2),
        (Pilot(effect=-0.3, tau=0.65, share=0.5, share_x=0.9), 12, 12, 2),
    ],
)
def test_simulated_studies_come_out_as_planned(pilot, k, n, n_seeds):
    m = 3000
    z = studies(np.random.default_rng(1), m, k, n, n_seeds, pilot)
    half = student_t.ppf(0.975, k - 1) * z.std(axis=1, ddof=1) / math.sqrt(k)
    mean = z.mean(axis=1)
    side = math.copysign(1, pilot.effect)
    detected = np.mean(side * mean - half > 0)
    width = np.mean(np.tanh(mean + half) - np.tanh(mean - half)) / 2
    these = 1.96 / math.sqrt(k * (n - 3))
    width_these = np.mean(np.tanh(mean + these) - np.tanh(mean - these)) / 2
    found = precision(pilot, k, n, n_seeds)
    error = 3 * math.sqrt(found.power * (1 - found.power) / m)
    # The bias of Fisher's z, r / (2 (n - 1)), and what is left out at second order raise power.
    assert found.power - error < detected < found.power + error + 0.035
    assert found.these_tasks == pytest.approx(width_these, rel=0.03)
    # s is a little above the mean sd: by 1 / (4 k) of it, and more where tasks differ much.
    assert 0.85 < width / found.new_tasks < 1.01


def test_seeds_count_by_the_spearman_brown_formula():
    # By hand: v = 0.4 of y and 0.8 of x; three seeds: 1.2 / 1.8 = 2/3 and 2.4 / 2.6 = 12/13.
    z, tau = KNOWN.expected(3)
    a = math.sqrt(2 / 3 * 12 / 13)
    assert math.tanh(z) == pytest.approx(0.4 * a) and tau == pytest.approx(0.3 * a)
    z, _ = KNOWN.expected(1)
    assert math.tanh(z) == pytest.approx(0.4 * math.sqrt(0.4 * 0.8))
    assert Pilot(effect=0.4).expected(1) == Pilot(effect=0.4).expected(5)


def test_half_widths_and_power_are_those_of_the_t_interval_over_tasks():
    pilot = Pilot(effect=0.3, tau=0.4, share=1.0, share_x=1.0)
    found = precision(pilot, 9, 12, 2)
    z, sd = math.atanh(0.3), math.sqrt(0.4**2 + 1 / 9)
    half = student_t.ppf(0.975, 8) * sd / 3
    assert found.new_tasks == pytest.approx((math.tanh(z + half) - math.tanh(z - half)) / 2)
    these = 1.96 * math.sqrt(1 / 9 / 9)
    assert found.these_tasks == pytest.approx((math.tanh(z + these) - math.tanh(z - these)) / 2)
    assert found.power == pytest.approx(nct.sf(student_t.ppf(0.975, 8), 8, 3 * z / sd))
    independent = TTestPower().power(z / sd, 9, 0.025, alternative="larger")
    assert found.power == pytest.approx(independent)
    one = precision(pilot, 1, 12, 2)
    assert math.isnan(one.new_tasks) and math.isnan(one.power) and one.these_tasks > 0


def test_the_fewest_trials_are_found():
    plan = plan_study(KNOWN, half_width=0.25, power=0.8)
    every = {
        (k, n, s): precision(KNOWN, k, n, s) for n in PROMPTS for s in SEEDS for k in range(4, 61)
    }
    does = {size for size, p in every.items() if p.new_tasks <= 0.25 and p.power >= 0.8}
    assert plan.best.n_trials == min(k * n * s for k, n, s in does)
    assert tuple(plan.designs.columns) == COLUMNS
    assert plan.designs["n_trials"].is_monotonic_increasing
    for one in plan.found:
        size = one.n_tasks, one.n_prompts, one.n_seeds
        fewer = one.n_tasks - 1, *size[1:]
        assert size in does and fewer not in does
        assert one.n_trials == math.prod(size)
        assert (one.half_width, one.power) == (every[size].new_tasks, every[size].power)
        assert one.r == pytest.approx(math.tanh(KNOWN.expected(one.n_seeds)[0]))
    assert plan.designs.duplicated(["n_prompts", "n_seeds"]).sum() == 0


def test_the_wish_is_said_with_what_it_takes():
    pilot = Pilot(effect=0.3, tau=0.3, tau_upper=0.6)
    plan = plan_study(pilot, half_width=0.2)
    assert plan.sentence == (
        "To know r for new tasks to ±0.20: 21 tasks × 10 prompts × 1 seed (210 trials);"
        " were tasks to differ as much as the pilot allows, 42 tasks."
    )
    assert plan.cautious.n_tasks == 42
    plan = plan_study(pilot)
    assert (plan.power, math.isnan(plan.half_width)) == (0.8, True)
    assert plan.sentence.startswith("To tell r = +0.30 from 0 for new tasks with 80 % power: 22")
    plan = plan_study(replace(pilot, tau_upper=0.7), half_width=0.1, power=0.9, effect=0.2)
    assert plan.sentence == (
        "To know r for new tasks to ±0.10 and tell r = +0.20 from 0 with 90 % power: 85 tasks × 10"
        " prompts × 1 seed (850 trials); were tasks to differ as much as the pilot allows,"
        " 196 tasks × 20 prompts × 1 seed (3,920 trials)."
    )
    far = plan_study(replace(pilot, tau_upper=0.9), half_width=0.1)
    assert far.cautious is None and far.sentence.endswith("allows, more than 200 tasks.")
    noisy = plan_study(KNOWN).sentence
    assert "r = +0.40 (less where seeds are few)" in noisy and "allows" not in noisy


def test_these_tasks_need_no_interval_over_tasks():
    plan = plan_study(KNOWN, half_width=0.2, power=0.8, scope="these_tasks")
    assert plan.cautious is None
    assert plan.best.n_trials < plan_study(KNOWN, 0.2, 0.8).best.n_trials
    k, n, s = plan.best.n_tasks, plan.best.n_prompts, plan.best.n_seeds
    z = KNOWN.expected(s)[0]
    assert plan.best.power == pytest.approx(norm.cdf(z * math.sqrt(k * (n - 3)) - 1.96))
    assert plan.best.half_width == pytest.approx(precision(KNOWN, k, n, s).these_tasks)
    assert "for these tasks" in plan.sentence
    far = plan_study(KNOWN, half_width=0.01, scope="these_tasks")
    assert far.best is None and far.sentence.endswith(
        "With more than 32 prompts of a task fewer tasks would do."
    )


@pytest.mark.parametrize(
    ("pilot", "wish", "says"),
    [
        (Pilot(tau=0.3), {"half_width": 0.02}, "Tasks differ by 0.30 in Fisher's z (sd): more"),
        (Pilot(effect=0.0, tau=0.3), {"power": 0.8}, "An r of 0 cannot be told from 0."),
        (
            Pilot(effect=0.05, tau=0.0, share=0.1, share_x=1.0),
            {},
            "With more than 32 prompts of a task or more than 5 seeds fewer tasks would do.",
        ),
        (
            Pilot(effect=0.2, tau=0.9, share=0.1, share_x=1.0),
            {"max_tasks": 100},
            "cannot help, only more tasks can.",
        ),
        (
            Pilot(effect=0.01, tau=0.0, share=0.01, share_x=1.0),
            {},
            "With more than 32 prompts of a task fewer tasks would do.",
        ),
    ],
)
def test_what_cannot_be_reached_names_the_limit(pilot, wish, says):
    plan = plan_study(pilot, **wish)
    assert plan.best is None and plan.cautious is None and plan.designs.empty
    assert list(plan.designs.columns) == list(COLUMNS)
    assert f"more than {wish.get('max_tasks', 200)} tasks. " in plan.sentence
    assert says in plan.sentence
    assert plan.to_dict()["best"] is None


def reliability_of(df, column):
    """1 - noise of the seed averages ÷ their variance over prompts, both summed over tasks."""
    cells = [
        part.pivot(index="prompt_id", columns="seed", values=column)
        for _, part in df.groupby("current_task")
    ]
    noise = sum(two_way(own).sigma ** 2 / own.shape[1] for own in cells)
    return 1 - noise / sum(own.mean(axis=1).var(ddof=1) for own in cells)


def test_a_pilot_is_read_off_a_table():
    df = trials(np.random.default_rng(3), k=5, n=12, n_seeds=3, tau=0.4, share=0.5, share_x=0.9)
    pilot = Pilot.of(df, **NAMES)
    e = within_task_correlation(df, **NAMES, n_permutations=0)
    reliability_x, reliability = (reliability_of(df, name) for name in ("x", "y"))
    # Inverse Spearman-Brown.
    assert pilot.share == pytest.approx(reliability / (3 - 2 * reliability))
    a = math.sqrt(reliability * reliability_x)
    assert pilot.effect == pytest.approx(e.value / a)
    means = df.groupby(["current_task", "prompt_id"])[["x", "y"]].mean()
    z = np.array([np.arctanh(part.corr().iloc[0, 1]) for _, part in means.groupby(level=0)])
    assert pilot.tau * a == pytest.approx(math.sqrt(max(0, z.var(ddof=1) - 1 / 9)))
    upper = z.var(ddof=1) * 4 / chi2.ppf(0.025, 4)
    assert pilot.tau_upper * a == pytest.approx(math.sqrt(upper - 1 / 9))
    assert (pilot.n_tasks, pilot.n_prompts, pilot.n_seeds) == (5, 12, 3)
    assert pilot.assumptions == ()
    # At its own size a plan expects what the pilot showed.
    assert math.tanh(pilot.expected(3)[0]) == pytest.approx(e.value)


def test_many_tasks_give_the_truth_back():
    df = trials(np.random.default_rng(0), k=300, n=24, n_seeds=2, r=0.5, tau=0.3, share=0.5)
    pilot = Pilot.of(df, **NAMES)
    assert pilot.share == pytest.approx(0.5, abs=0.03) and pilot.share_x == pytest.approx(1)
    assert pilot.effect == pytest.approx(0.5, abs=0.06)
    # A tenth less: noise shrinks Fisher's z of tasks further where r is not small.
    assert pilot.tau == pytest.approx(0.27, abs=0.05) and pilot.tau < pilot.tau_upper


def test_what_a_small_pilot_cannot_give_is_assumed_by_name():
    rng = np.random.default_rng(0)
    alone = Pilot.of(trials(rng, k=1), **NAMES)
    assert math.isnan(alone.tau) and math.isnan(alone.tau_upper) and not math.isnan(alone.share)
    assert alone.expected(10**9)[1] == pytest.approx(ASSUMED_TAU)
    assert len(alone.assumptions) == 1 and "pilot of two tasks" in alone.assumptions[0]
    once = Pilot.of(trials(rng, n_seeds=1), **NAMES)
    assert math.isnan(once.share) and "pilot of two seeds" in once.assumptions[0]
    plan = plan_study(None)
    assert plan.effect == ASSUMED_EFFECT and len(plan.assumptions) == 3
    assert "r is taken to be 0.30" in Pilot().in_words
    assert Pilot(share=0.5).assumptions[-1] == "x is taken to be free of the seed's noise."
    assert plan_study(once).assumptions == once.assumptions


def test_a_pilot_of_noise_is_not_corrected():
    df = trials(np.random.default_rng(5), k=4)
    shares = []
    for seed in range(10):
        df["y"] = np.random.default_rng(seed).standard_normal(len(df))
        pilot = Pilot.of(df, **NAMES)
        shares.append(pilot.share)
        if math.isnan(pilot.share):
            e = within_task_correlation(df, **NAMES, n_permutations=0)
            assert pilot.effect == pytest.approx(e.value)
            assert "The seed explains all of the spread of y" in pilot.assumptions[0]
            assert "r is not corrected for that" in pilot.assumptions[0]
        plan_study(pilot)
    assert 0 < np.isnan(shares).sum() < 10


def test_a_correlation_that_passes_one_is_held(table_of):
    df = pd.concat(
        [table_of([0.97, 0.96, 0.98]).assign(seed=s) for s in range(2)], ignore_index=True
    )
    rng = np.random.default_rng(0)
    half = len(df) // 2
    noise = rng.standard_normal(half)
    df["y"] += np.concatenate([noise, -noise])  # the means stay, the reliability falls
    pilot = Pilot.of(df, **NAMES)
    assert pilot.effect == 0.99 and "is held at +0.99" in pilot.assumptions[0]


def test_tasks_that_differ_by_chance_alone_have_no_spread(table_of):
    pilot = Pilot.of(table_of([0.3, 0.5, 0.6, 0.4]), **NAMES)
    assert pilot.tau == 0 and pilot.tau_upper > 0
    plan = plan_study(pilot, half_width=0.2)
    assert plan.cautious.n_tasks > plan.best.n_tasks


@pytest.mark.parametrize("break_", ["constant", "three prompts", "empty", "nan"])
def test_a_pilot_without_a_correlation_leaves_the_assumptions(table_of, break_):
    df = table_of([0.5, 0.4], n=3 if break_ == "three prompts" else 12)
    if break_ == "constant":
        df["y"] = 1.0
    if break_ == "nan":
        df["y"] = np.nan
    if break_ == "empty":
        df = df.iloc[:0]
    pilot = Pilot.of(df, **NAMES)
    assert pilot.n_tasks == 0 and math.isnan(pilot.effect)
    assert pilot.assumptions[0].startswith("The pilot has no correlation: ")
    assert plan_study(df, **NAMES).effect == ASSUMED_EFFECT


def test_broken_tables_are_refused(table_of):
    df = table_of([0.5, 0.4])
    infinite = df.assign(y=df["y"].where(df.index != 3, np.inf))
    for table, says in [
        (infinite, "infinite"),
        (pd.concat([df, df]), "Two rows"),
        (df.drop(columns="y"), "Unknown column 'y'"),
        ([1, 2], "A table"),
    ]:
        with pytest.raises(InputError, match=says):
            plan_study(table, **NAMES)
    gap = df.assign(y=df["y"].where(df.index != 3))
    assert Pilot.of(gap, **NAMES).n_prompts == 11


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"half_width": 0}, "half_width is 0"),
        ({"half_width": 1.0}, "between 0 and 1, for example 0.2"),
        ({"half_width": math.nan}, "half_width is nan"),
        ({"power": "0.8"}, "power is '0.8'"),
        ({"power": True}, "power is True"),
        ({"effect": 0.0}, "effect is 0.0"),
        ({"effect": -1.0}, "effect is -1.0"),
        ({"scope": "all"}, "Unknown scope 'all'"),
        ({"max_tasks": 3}, "max_tasks is 3"),
        ({"max_tasks": 10.0}, "max_tasks is 10.0"),
    ],
)
def test_wrong_wishes_are_named(settings, says):
    with pytest.raises(InputError, match=says):
        plan_study(KNOWN, **settings)


@pytest.mark.parametrize(
    "settings",
    [{"effect": 1.0}, {"tau": -0.1}, {"tau_upper": math.inf}, {"share": 0.0}, {"share_x": 1.1}],
)
def test_a_pilot_out_of_range_is_refused(settings):
    (name,) = settings
    with pytest.raises(InputError, match=f"{name} is"):
        Pilot(**settings)


@pytest.mark.parametrize(
    "design", [(0, 12, 1), (4, 3, 1), (4, 12, 0), (4, math.nan, 1), (4.0, 9, 1)]
)
def test_a_design_out_of_range_is_refused(design):
    with pytest.raises(InputError):
        precision(None, *design)


def test_the_plan_is_plain_data():
    plan = plan_study(Pilot(effect=0.3, tau=0.3), half_width=0.25)
    found = json.loads(json.dumps(plan.to_dict(), allow_nan=False))
    assert found["best"] == found["designs"][0] and found["power"] is None
    assert found["pilot"]["share"] is None and found["pilot"]["effect"] == 0.3
    assert found["assumptions"] == list(plan.assumptions) and found["sentence"] == plan.sentence
    assert plan == plan_study(Pilot(effect=0.3, tau=0.3), half_width=0.25)


def test_tasks_of_uneven_size_count_by_their_mean_error():
    assert typical([13, 13]) == pytest.approx(13)
    assert 1 / (typical([7, 23, 2]) - 3) == pytest.approx((1 / 4 + 1 / 20) / 2)


def test_an_outlook_says_what_a_design_gives_and_what_more_would_take():
    assert outlook([13] * 6, 1) == (
        "New tasks, if they differ by 0.3 in Fisher's z (assumed): r to about ±0.40, 29 % power"
        " at r = 0.30. ±0.20 takes 21 tasks × 10 prompts × 1 seed (210 trials), 80 % power takes"
        " 22 tasks × 10 prompts × 1 seed (220 trials)."
    )
    few = outlook([13] * 3 + [2], 1)
    assert few.startswith("New tasks, if they differ by 0.3 in Fisher's z (assumed): ±0.20 takes")
    assert "80 % power at r = 0.30 takes" in few
    assert outlook([3, 2], 1) == ""
    known = outlook([13] * 6, 3, Pilot(effect=0.1, tau=0.9, share=0.5))
    given = precision(Pilot(effect=0.1, tau=0.9, share=0.5), 6, 13, 3)
    assert f"as in the pilot: r to about ±{given.new_tasks:.2f}" in known
    assert "power at the pilot's r." in known and "80 % power takes more than 200 tasks." in known


def test_a_run_is_planned_on_its_first_outcome(df):
    pilot = pilot_of(df)
    assert pilot == Pilot.of(df, "forgetting", "past")
    assert "pre_update_loss and forgetting (past)" in pilot.in_words
    assert "5 tasks × 12 prompts × 2 seeds" in pilot.in_words
    unseen = df[df["role"].isin(["unseen", "current"])]
    assert "generalization (unseen)" in pilot_of(unseen).source
    assert pilot_of(df[df["role"] == "current"]) == Pilot()
