"""Packed rows: prefixes once, positions of their own, attention within examples; the gradient."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from sapo_analysis.models.encoding import IGNORED, Encoded
from sapo_analysis.models.packing import Pack, shared_prefix

CPU = torch.device("cpu")
HEADS, SIZE = 2, 4


def row(*ids, target_start):
    return Encoded(list(ids), target_start, len(ids))


A = row(5, 6, 7, 1, target_start=3)
B = row(5, 6, 8, 9, 2, target_start=3)
C = row(4, 3, 2, target_start=1)


def test_the_shared_prefix_ends_before_the_token_that_predicts_a_target():
    assert shared_prefix([A, B]) == 2
    assert shared_prefix([A, A]) == 2  # all ids agree, but token 2 predicts the target
    assert shared_prefix([A, C]) == 0
    assert shared_prefix([C]) == 0


def test_a_pack_by_hand():
    pack = Pack([[A, B], [C]], [2, 0], pad_id=0, device=CPU)
    assert pack.ids.tolist() == [[5, 6, 7, 1, 8, 9, 2], [4, 3, 2, 0, 0, 0, 0]]
    assert pack.positions.tolist() == [[0, 1, 2, 3, 2, 3, 4], [0, 1, 2, 0, 0, 0, 0]]
    # The token before each target token predicts it.
    assert pack.wanted.tolist() == [[2, 4, 5], [0, 1, 0]]
    assert pack.labels.tolist() == [[1, 9, 2], [3, 2, IGNORED]]
    assert pack.row_tokens == [7, 3]
    assert pack.row_labels == [3, 2]
    assert (pack.prefix, pack.suffix) == (2, 3)


def attend_by_hand(rows, prefixes, q, k, v, scaling):
    """Each example by itself: its row's prefix tokens, then its own, causally."""
    out = torch.zeros_like(q)
    for r, (examples, prefix) in enumerate(zip(rows, prefixes, strict=True)):
        at = prefix if examples else 0
        for example in examples:
            own = list(range(at, at + len(example.ids) - prefix))
            at += len(own)
            places = list(range(prefix)) + own
            found = scaled_dot_product_attention(
                q[r, :, places], k[r, :, places], v[r, :, places], is_causal=True, scale=scaling
            )
            out[r, :, places] = found
    return out.transpose(1, 2)


@st.composite
def packs(draw):
    rows, prefixes = [], []
    for _ in range(draw(st.integers(1, 3))):
        prefix = draw(st.integers(0, 3))
        shared = list(range(10, 10 + prefix))
        examples = []
        for _ in range(draw(st.integers(0, 3))):
            own = draw(st.lists(st.integers(20, 99), min_size=2, max_size=5))
            target = draw(st.integers(1, len(own) - 1))
            examples.append(Encoded(shared + own, prefix + target, prefix + len(own)))
        rows.append(examples)
        prefixes.append(prefix)
    if not any(rows):
        rows[0] = [A]
        prefixes[0] = 2
    return rows, prefixes


@given(packs())
def test_attention_and_its_gradient_are_those_of_each_example_alone(drawn):
    rows, prefixes = drawn
    pack = Pack(rows, prefixes, pad_id=0, device=CPU)
    generator = torch.Generator().manual_seed(0)
    shape = (len(rows), HEADS, pack.ids.shape[1], SIZE)
    q, k, v, weight = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(4)
    )
    present = torch.zeros(shape[0], shape[2], dtype=torch.bool)
    for r, n in enumerate(pack.row_tokens):
        present[r, :n] = True
    results = []
    for attend in (
        lambda *x: pack.attend(0, *x, 0.5),
        lambda *x: attend_by_hand(rows, prefixes, *x, 0.5),
    ):
        inputs = [x.clone().requires_grad_() for x in (q, k, v)]
        out = attend(*inputs)
        (out[present] * weight.transpose(1, 2)[present]).sum().backward()
        results.append((out[present], *(x.grad for x in inputs)))
    for own, expected in zip(*results, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-12, atol=1e-12)


def test_fewer_key_heads_serve_groups_of_query_heads():
    pack = Pack([[A, B]], [2], pad_id=0, device=CPU)
    generator = torch.Generator().manual_seed(1)
    q = torch.randn(1, 4, 7, SIZE, generator=generator)
    k, v = (torch.randn(1, 2, 7, SIZE, generator=generator) for _ in range(2))
    expected = pack.attend(0, q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1), 0.5)
    assert torch.equal(pack.attend(0, q, k, v, 0.5), expected)


def test_a_kept_prefix_stands_for_its_tokens():
    whole = Pack([[A, B]], [2], pad_id=0, device=CPU, keep=True)
    generator = torch.Generator().manual_seed(2)
    q, k, v = (torch.randn(1, HEADS, 7, SIZE, generator=generator) for _ in range(3))
    expected = whole.attend(3, q, k, v, 0.5)[:, 2:]
    cache = {layer: prefixes for layer, (prefixes, _) in whole.kept.items()}
    rest = Pack([[A, B]], [2], pad_id=0, device=CPU, prefix_cache=cache)
    assert rest.ids.tolist() == [[7, 1, 8, 9, 2]]
    assert rest.positions.tolist() == [[2, 3, 2, 3, 4]]
    found = rest.attend(3, q[:, :, 2:], k[:, :, 2:], v[:, :, 2:], 0.5)
    torch.testing.assert_close(found, expected)


def test_nothing_passes_between_rows_not_even_a_nan():
    pack = Pack([[A, B], [C], []], [2, 0, 0], pad_id=0, device=CPU)
    generator = torch.Generator().manual_seed(3)
    q, k, v = (torch.randn(3, HEADS, 7, SIZE, generator=generator) for _ in range(3))
    sound = pack.attend(0, q, k, v, 0.5)
    for broken in range(3):
        inputs = [x.clone() for x in (q, k, v)]
        for x in inputs:
            x[broken] = float("nan")
            x.requires_grad_()
        found = pack.attend(0, *inputs, 0.5)
        others = [r for r in range(3) if r != broken]
        assert torch.equal(found[others], sound[others])
        found[others].sum().backward()
        for x in inputs:
            assert torch.isfinite(x.grad[others]).all()


def test_rows_without_examples_are_padding_alone():
    pack = Pack([[], [C]], [2, 0], pad_id=7, device=CPU)
    assert pack.ids.tolist() == [[7, 7, 7], [4, 3, 2]]
    assert pack.labels.tolist() == [[IGNORED, IGNORED], [3, 2]]
    assert pack.row_tokens == [0, 3]


@pytest.mark.parametrize("prefixes", [[2, 0], [0, 0]])
def test_labels_do_not_depend_on_sharing(prefixes):
    pack = Pack([[A, B], [C]], prefixes, pad_id=0, device=CPU)
    predictors = pack.ids.gather(1, pack.wanted)
    assert predictors.tolist()[0] == [7, 8, 9]
