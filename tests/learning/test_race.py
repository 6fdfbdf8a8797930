"""The race: its winner has the lowest sum of all losses, though most are never asked for."""

from math import fsum, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.errors import InputError
from sapo_analysis.learning.race import WARM_UP, race


class Table:
    """Losses [candidates][examples] as a race asks for them; no pair is asked for twice."""

    def __init__(self, losses):
        self.losses = losses
        self.asked = set()

    def __call__(self, candidates, examples):
        pairs = [(k, i) for k in candidates for i in examples]
        assert len(set(pairs)) == len(pairs) and not self.asked & set(pairs)
        self.asked |= set(pairs)
        return [[self.losses[k][i] for i in examples] for k in candidates]


def run(losses, seed=0, slack=0.0):
    table = Table(losses)
    found = race(table, len(losses), len(losses[0]), seed, lambda leader: slack)
    assert sum(found.n_scored) == len(table.asked)
    return found


def tables(values):
    """Tables of losses: up to 7 candidates on up to 60 examples."""
    return st.tuples(st.integers(1, 7), st.integers(1, 60)).flatmap(
        lambda shape: st.lists(
            st.lists(values, min_size=shape[1], max_size=shape[1]),
            min_size=shape[0],
            max_size=shape[0],
        )
    )


# The second kind has many equal totals, the third sums in which the order of adding would show.
LOSSES = st.one_of(
    tables(st.floats(0, 1e3)), tables(st.sampled_from([0.0, 1.0, 2.0])), tables(st.just(0.1))
)


@given(LOSSES, st.integers(0, 5))
def test_the_winner_is_the_argmin_of_all_losses(losses, seed):
    totals = [fsum(own) for own in losses]
    found = run(losses, seed)
    assert found.winner == totals.index(min(totals))
    for k, total in enumerate(totals):
        assert found.exact[k] == (found.n_scored[k] == len(losses[0]))
        if found.exact[k]:
            assert found.totals[k] == total
        else:
            assert min(totals) < found.totals[k] <= total


@given(LOSSES, st.floats(0, 10))
def test_nothing_within_the_slack_of_the_best_is_dropped(losses, slack):
    totals = [fsum(own) for own in losses]
    found = run(losses, slack=slack)
    assert found.winner == totals.index(min(totals))
    for k, total in enumerate(totals):
        assert found.exact[k] or total > min(totals) + slack


def test_equal_candidates_are_all_scored_in_full_and_the_first_wins():
    found = run([[0.1] * 40] * 5)
    assert found.winner == 0 and all(found.exact)


def test_one_candidate_wins_and_is_scored_in_full():
    found = run([[1.0] * 30])
    assert (found.winner, found.n_scored, found.totals) == (0, [30], [30.0])


def test_fewer_examples_than_the_warm_up_are_all_scored():
    found = run([[2.0, 3.0], [1.0, 1.0], [9.0, 9.0]])
    assert found.winner == 1 and found.n_scored == [2, 2, 2]


def test_a_clear_loser_is_dropped_after_the_warm_up():
    found = run([[1.0] * 100, [100.0] * 100])
    assert found.n_scored == [100, WARM_UP] and found.totals[1] == 1600.0


def test_the_first_to_lead_need_not_win():
    # Whatever the warm-up says of candidate 0, it has the highest loss of all on what follows.
    for seed in range(5):
        losses = [[0.0] * 60, [0.5] * 60]
        seen = []
        table = Table(losses)

        def ask(candidates, examples, table=table, seen=seen):
            if not seen:
                seen.extend(examples)
                for i in set(range(60)) - set(examples):
                    table.losses[0][i] = 3.0
            return table(candidates, examples)

        found = race(ask, 2, 60, seed)
        assert found.winner == 1 and all(found.exact)


@pytest.mark.parametrize("loss", [nan, inf, -inf, -0.1])
@pytest.mark.parametrize("k", [0, 1])
def test_what_is_no_loss_is_refused(loss, k):
    losses = [[1.0] * 50, [1.0] * 50]
    losses[k][33] = loss
    with pytest.raises(InputError, match=rf"Prompt number {k} has loss {loss} on example 33\."):
        run(losses)


def test_a_race_of_none_is_refused():
    with pytest.raises(InputError, match="0 prompts on 9 examples"):
        race(Table([]), 0, 9, 0)
