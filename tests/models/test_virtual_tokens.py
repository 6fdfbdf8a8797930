"""Virtual tokens before rows, and the room that they need."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.virtual_tokens import VirtualTokens, check_room
from tests.models.families import CONTEXT, model_of


def test_rows_move_behind_the_ids_of_their_slot(encoder):
    tokens = VirtualTokens.of(model_of("llama", encoder.tokenizer), 3)
    n = len(encoder.tokenizer)
    assert tokens.ids() == [n, n + 1, n + 2] and tokens.ids(2) == [n + 6, n + 7, n + 8]
    row = Encoded([5, 6, 7, 8], 2, 3)
    (moved,) = tokens.before([row], slot=1)
    assert moved.ids == [n + 3, n + 4, n + 5, 5, 6, 7, 8]
    assert moved.context == [n + 3, n + 4, n + 5, 5, 6]
    assert (moved.n_target, moved.content_end) == (2, 6)
    assert row.ids == [5, 6, 7, 8]


def test_a_soft_prompt_has_to_leave_room_for_the_texts(encoder):
    model = model_of("llama", encoder.tokenizer)
    check_room(model, 48, CONTEXT - 48)
    with pytest.raises(InputError, match=rf"is 49, .*takes {CONTEXT - 48} .*at most 48 fit.*Lower"):
        check_room(model, 49, CONTEXT - 48)
    with pytest.raises(InputError, match=r"none fits.*inputs\.max_tokens"):
        check_room(model, 1, CONTEXT)
