"""The batches a fine-tune meets: its order, replayed rows, prompts drawn while training."""

from itertools import islice

import pytest

from sapo_analysis.learning.members import Batches, Drawn, Member, Replay, batch_order
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.packing import shared_prefix
from sapo_analysis.spec import TrainingSettings

SETTINGS = TrainingSettings(steps=40, batch_size=4)


def rows(first, n=10):
    """Distinct rows that share their first three tokens."""
    return [Encoded([first, 7, 7, 100 + i, 5, 6], 4, 5) for i in range(n)]


def taken(member, n=12):
    batches = Batches(member)
    return [batches.take() for _ in range(n)]


def test_batches_follow_the_order_of_the_seed():
    own = rows(1)
    order = islice(batch_order(10, 4, 3), 12)
    assert taken(Member(own, SETTINGS, 3)) == [[own[i] for i in batch] for batch in order]


def test_replayed_rows_join_and_leave_the_own_order_as_it_is():
    own, old = rows(1), rows(2, 6)
    plain = taken(Member(own, SETTINGS, 3))
    with_replay = taken(Member(own, SETTINGS, 3, replay=Replay(old, 2)))
    assert [batch[:4] for batch in with_replay] == plain
    replayed = [batch[4:] for batch in with_replay]
    assert all(len(batch) == 2 for batch in replayed)
    # Evenly: twelve batches of two show each of six rows four times.
    seen = [row.ids[3] for batch in replayed for row in batch]
    assert sorted(seen) == sorted(4 * [row.ids[3] for row in old])


def test_replayed_rows_do_not_come_in_the_own_order():
    own, old = rows(1), rows(2)
    batches = taken(Member(own, SETTINGS, 3, replay=Replay(old, 4)))
    mine = [row.ids[3] for batch in batches for row in batch[:4]]
    replayed = [row.ids[3] for batch in batches for row in batch[4:]]
    assert len(mine) == len(replayed) and mine != replayed


@pytest.mark.parametrize("replay", [None, Replay(rows(2), 0)])
def test_no_replay_and_replay_of_nothing_are_the_same(replay):
    assert taken(Member(rows(1), SETTINGS, 3, replay=replay)) == taken(Member(rows(1), SETTINGS, 3))


def test_a_prompt_is_drawn_every_few_steps_by_the_seed_and_the_step_alone():
    variants = [rows(1), rows(2), rows(3)]
    drawn = Drawn(variants, 4)
    which = [drawn.at(9, step) for step in range(40)]
    assert all(len(set(which[i : i + 4])) == 1 for i in range(0, 40, 4))
    assert set(which) == {0, 1, 2}
    assert which == [drawn.at(9, step) for step in range(40)]
    assert which != [drawn.at(10, step) for step in range(40)]
    batches = taken(Member(variants[0], SETTINGS, 9, drawn=drawn), 40)
    assert [batch[0].ids[0] - 1 for batch in batches] == which
    # The examples are those of the same order; only their wording changes.
    plain = taken(Member(variants[0], SETTINGS, 9), 40)
    assert [[r.ids[3] for r in b] for b in batches] == [[r.ids[3] for r in b] for b in plain]


def test_the_shared_prefix_is_that_of_all_rows_a_batch_may_come_from():
    variants = [rows(1), rows(2)]
    batches = Batches(Member(variants[0], SETTINGS, 9, drawn=Drawn(variants, 1)))
    for _ in range(6):
        prefix, batch = batches.prefix(), batches.take()
        assert prefix == shared_prefix(rows(batch[0].ids[0])) == 3
    mixed = Batches(Member(rows(1), SETTINGS, 9, replay=Replay(rows(2), 1)))
    assert mixed.prefix() == 0


class Told:
    """Writes what it is told of each row into its first tokens."""

    def at(self, row, seed, step, place):
        return Encoded([seed, step, place, *row.ids[3:]], row.target_start, row.content_end)


def test_rows_are_changed_by_seed_step_and_place_and_then_share_no_prefix():
    member = Member(rows(1), SETTINGS, 3, replay=Replay(rows(2), 1), changed=Told())
    batches = Batches(member)
    plain = taken(Member(rows(1), SETTINGS, 3, replay=Replay(rows(2), 1)), 2)
    for step, unchanged in enumerate(plain):
        assert batches.prefix() == 0
        batch = batches.take()
        assert [row.ids[:3] for row in batch] == [[3, step, place] for place in range(5)]
        assert [row.ids[3:] for row in batch] == [row.ids[3:] for row in unchanged]
