"""Every figure of made-up runs comes back from its text; so nothing in one is left unsaved."""

import pytest

from sapo_analysis.figures.saving import from_json, to_json
from sapo_analysis.figures.spec import FigureSpec
from tests.figures.bits import bits


@pytest.mark.parametrize("which", ["study", "sequence"])
def test_every_figure_comes_back_bit_by_bit(which, all_made):
    drawn = set()
    for made in all_made[which]:
        if isinstance(made.spec, FigureSpec):
            back = from_json(to_json(made.spec))
            assert bits(back) == bits(made.spec), made.name
            if made.kind.name in ("impact_scatter", "stage_matrix") and made.kind.name not in drawn:
                drawn.add(made.kind.name)
                assert back.to_bytes("svg", "acl") == made.spec.to_bytes("svg", "acl"), made.name
    assert len(drawn) == 1
