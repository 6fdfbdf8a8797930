"""Figures drawn by several processes: the same bytes, in their order, and errors in words."""

import os
import signal
from datetime import UTC, datetime

import pandas as pd
import pytest

from sapo_analysis.errors import WorkError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.spec import FigureSpec, Panel, Points
from sapo_analysis.figures.stamp import Stamp
from sapo_analysis.figures.theme import BLUE
from sapo_analysis.figures.venues import page
from sapo_analysis.paper.drawing import FEW, ToDraw, draw_all

STAMP = Stamp("a title", "a run", "{}", datetime(2026, 1, 2, tzinfo=UTC))


def wanted(label="x", name="f"):
    panel = Panel((Points((0.0, 1.0), (0.0, 1.0), BLUE, label="dots"),), label, "y")
    spec = FigureSpec(name, (panel,), pd.DataFrame(), Caption("x"), "x")
    return ToDraw(spec, page("icml", 2.0), ("pdf", "svg"), STAMP)


class Deadly:
    """What draws it dies, as where memory has run out."""

    page, kinds, stamp = page("icml"), ("pdf",), STAMP

    @property
    def spec(self):
        os.kill(os.getpid(), signal.SIGKILL)


def test_several_processes_give_the_bytes_that_one_gives():
    figures = [wanted(f"axis {i}", f"f{i}") for i in range(FEW)]
    figures[2] = wanted("忘却", "f2")
    alone, together = list(draw_all(figures)), list(draw_all(figures, processes=2))
    assert [one.contents for one in alone] == [one.contents for one in together]
    assert [bool(one.why_not) for one in together] == [i == 2 for i in range(FEW)]
    assert [one.why_not for one in alone] == [one.why_not for one in together]
    assert "has no character '忘'" in together[2].why_not
    assert len({one.contents["svg"] for one in together if one.contents}) == FEW - 1


def test_a_process_that_dies_is_said_in_words():
    figures = [wanted() for _ in range(FEW)] + [Deadly()]
    with pytest.raises(WorkError, match="stopped a process that was drawing"):
        list(draw_all(figures, processes=2))
