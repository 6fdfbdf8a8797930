"""TokenDrop hides a share of the virtual tokens, drawn by seed, step and place alone."""

import pytest

from sapo_analysis.learning.members import Batches, Member
from sapo_analysis.learning.token_drop import TokenDrop
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.spec import TrainingSettings

FIRST, N = 100, 40
ROW = Encoded([7, *range(FIRST, FIRST + N), 5, 6, 8], N + 3, N + 4)
"""A head of one token, virtual tokens, a text of two and an answer."""


def dropped(row):
    return set(ROW.ids) - set(row.ids)


def test_the_share_is_dropped_of_virtual_tokens_alone_and_the_rest_stays():
    drop, n = TokenDrop(FIRST, 0.05), 0
    for step in range(50):
        for place in range(16):
            found = drop.at(ROW, 3, step, place)
            gone = dropped(found)
            assert all(token >= FIRST for token in gone)
            assert found == ROW.without({ROW.ids.index(token) for token in gone})
            n += len(gone)
    # Of 32 000 draws 1 600 ± 39: four standard deviations.
    assert n == pytest.approx(1600, abs=156)


def test_every_step_place_and_seed_draws_anew_and_always_the_same():
    drop = TokenDrop(FIRST, 0.3)
    found = {
        key: frozenset(dropped(drop.at(ROW, *key)))
        for key in ((3, 0, 0), (3, 1, 0), (3, 0, 1), (4, 0, 0))
    }
    assert len(set(found.values())) == 4
    assert found == {key: frozenset(dropped(drop.at(ROW, *key))) for key in found}


def test_what_is_hidden_already_stays_hidden_and_all_can_go():
    hiding = ROW.without({1, 2, 3})
    found = TokenDrop(FIRST, 0.5).at(hiding, 1, 1, 1)
    assert {FIRST, FIRST + 1, FIRST + 2} < dropped(found)
    assert found.positions == sorted(found.positions) and found.span == ROW.span
    assert TokenDrop(FIRST, 1 - 1e-12).at(ROW, 1, 1, 1).ids == [7, 5, 6, 8]


def test_batches_change_rows_and_share_what_is_static_alone():
    rows = [ROW, ROW]
    settings = TrainingSettings(steps=3, batch_size=2)
    plain = Member(rows, settings, 5)
    changed = Member(rows, settings, 5, changed=TokenDrop(FIRST, 0.2))
    static = Member(rows, settings, 5, changed=TokenDrop(FIRST, 0.2), static=N + 1)
    assert [Batches(own).prefix() for own in (plain, changed, static)] == [N + 2, 0, N + 1]
    first = Batches(changed)
    batches = [first.take(), first.take()]
    assert batches[0] != batches[1] and batches[0][0] != batches[0][1]
    assert batches[1] == [TokenDrop(FIRST, 0.2).at(ROW, 5, 1, place) for place in (0, 1)]
