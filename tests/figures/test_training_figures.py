"""Training losses by task and by stage: the same data on screen and paper, empty tables."""

import pytest

from sapo_analysis.analysis.sequences import losses_by_stage
from sapo_analysis.analysis.training_losses import losses_by_prompt
from sapo_analysis.errors import InputError
from sapo_analysis.figures import stage_curves, training_by_task
from sapo_analysis.figures.legibility import grey_twins
from sapo_analysis.figures.spec import Band, Line, Points
from sapo_analysis.figures.theme import DASHES, POLICIES
from sapo_analysis.figures.training_by_task import even
from sapo_analysis.paper.captions import draft
from tests.analysis.sequences.test_training import made
from tests.figures.same_data import check_same_data


@pytest.fixture(scope="module")
def by_task(run):
    return losses_by_prompt(run)


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    return made(tmp_path_factory.mktemp("runs"))


def layers(panel, kind):
    return [layer for layer in panel.layers if isinstance(layer, kind)]


def test_a_panel_per_task_with_pick_original_and_the_range_of_prompts(by_task):
    spec = training_by_task(by_task)
    check_same_data(spec)
    assert [panel.title for panel in spec.panels] == ["current-0", "current-1", "current-2"]
    assert spec.columns == 3
    first = spec.panels[0]
    assert first.y_log and len(layers(first, Band)) == 1
    assert [layer.dash for layer in layers(first, Line)] == [
        DASHES[policy] for policy in ("random", "original", "sapo")
    ]
    own = by_task[(by_task["task"] == "current-0") & (by_task["kind"] == "pick")]
    assert layers(first, Line)[-1].y == tuple(own["loss"])
    labels = [layer.label for layer in layers(first, Points)]
    assert labels == ["mean over all prompts", "original prompt", "SAPO's pick"]
    assert spec.caption.n == {"tasks": 3, "prompts": 8, "seeds": 2}
    assert "pre-update loss" in draft(spec.caption) and not grey_twins(spec)
    assert spec.parts == ("intervals", "legend")
    assert not layers(spec.without("intervals").panels[0], Band)


def test_a_kind_that_a_task_lacks_is_no_line(by_task):
    spec = training_by_task(by_task[by_task["kind"] != "original"])
    assert len(layers(spec.panels[0], Line)) == 2


def test_a_panel_per_stage_with_a_line_per_policy(sequence):
    spec = stage_curves(losses_by_stage(sequence))
    check_same_data(spec)
    assert [panel.title for panel in spec.panels] == ["stage 1", "stage 2", "stage 3"]
    lines = layers(spec.panels[2], Line)
    assert [line.color for line in lines] == [POLICIES[p][0] for p in ("original", "sapo")]
    assert lines[1].y == (83.0, 82.0)  # worked by hand beside the table's own test
    assert spec.caption.n == {"orders": 2, "chains of a policy": 4} and not grey_twins(spec)
    one = stage_curves(losses_by_stage(sequence, "c > a > b"), order="c > a > b")
    assert [panel.title for panel in one.panels] == ["1: c", "2: a", "3: b"]
    assert "in the order c > a > b" in draft(one.caption)


def test_rows_of_panels_are_about_equally_full():
    assert [even(n) for n in (1, 2, 4, 5, 6, 7, 9, 11)] == [1, 2, 4, 3, 3, 4, 3, 4]


def test_wrong_tables_are_refused_in_words(by_task, sequence):
    table = losses_by_stage(sequence)
    with pytest.raises(InputError, match="Make it with losses_by_prompt"):
        training_by_task(table)
    with pytest.raises(InputError, match="No task has a seed that all its prompts"):
        training_by_task(by_task.head(0))
    with pytest.raises(InputError, match="Make it with losses_by_stage"):
        stage_curves(by_task)
    with pytest.raises(InputError, match="No chain of ewc"):
        stage_curves(table, method="ewc")
