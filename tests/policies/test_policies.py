"""What each policy chooses, and what it may look at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.policies import Situation, get_policy
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import POLICIES


def situation(losses=None, lengths=(4, 3, 9, 3), **changes):
    n = len(losses) if losses is not None else len(lengths)
    candidates = [Prompt("add", f"add-{i:02d}", f"text {i}", "novel") for i in range(n)]
    plain = {
        "state_id": "s",
        "task": "add",
        "learned": ("topic",),
        "seed": 3,
        "candidates": candidates,
    }
    return Situation(**{**plain, "n_tokens": list(lengths)[:n], "losses": losses, **changes})


losses = st.lists(st.floats(0, 50), min_size=1, max_size=8)


@given(losses)
def test_sapo_takes_the_lowest_loss_and_of_equal_ones_the_first(values):
    found = get_policy("sapo").choose(situation(values, range(len(values))))
    assert values[found] == min(values) and min(values) not in values[:found]
    assert get_policy("sapo-once").choose(situation(values, range(len(values)))) == found


@given(losses)
def test_sapp_takes_the_highest(values):
    found = get_policy("sapp").choose(situation(values, range(len(values))))
    assert values[found] == max(values) and max(values) not in values[:found]


def test_a_tie_keeps_the_original():
    assert get_policy("sapo").choose(situation([0.5, 0.5, 0.7, 0.5])) == 0
    assert get_policy("sapo").choose(situation([0.5, 0.49999, 0.7, 0.5])) == 1


def test_the_policies_that_choose_by_loss_say_where_it_is_measured():
    where = {name: get_policy(name).scores_at for name in POLICIES}
    assert where == {
        "original": "nowhere",
        "random": "nowhere",
        "paft": "nowhere",
        "sapo": "current state",
        "sapp": "current state",
        "sapo-once": "theta-0",
        "shortest": "nowhere",
    }
    assert [name for name in POLICIES if get_policy(name).needs == "all"] == ["sapp"]
    assert [name for name in POLICIES if get_policy(name).draws] == ["paft"]


def test_original_and_paft_stand_for_themselves_with_the_original():
    assert get_policy("original").choose(situation()) == 0
    assert get_policy("paft").choose(situation()) == 0


def test_shortest_counts_tokens_and_keeps_the_first_of_equal_ones():
    assert get_policy("shortest").choose(situation()) == 1


def test_random_draws_from_the_whole_pool_the_original_included():
    policy = get_policy("random")
    drawn = [policy.choose(situation(seed=seed)) for seed in range(400)]
    counts = [drawn.count(i) for i in range(4)]
    assert all(70 <= n <= 130 for n in counts), counts  # 100 each, ± 3.5 sd


@pytest.mark.parametrize("change", [{"learned": ("topic", "job")}, {"task": "job"}, {"seed": 4}])
def test_random_draws_anew_for_each_task_place_and_seed_and_for_nothing_else(change):
    policy = get_policy("random")
    many = range(60)
    one = [policy.choose(situation(**{"seed": 100 + s})) for s in many]
    again = [policy.choose(situation(losses=[1.0] * 4, **{"seed": 100 + s})) for s in many]
    other = [policy.choose(situation(**{"seed": 100 + s, **change})) for s in many]
    assert one == again  # losses, and so the strategy, do not matter
    assert one != other


def test_every_policy_of_a_spec_is_there_under_its_name():
    assert [get_policy(name).name for name in POLICIES] == list(POLICIES)
