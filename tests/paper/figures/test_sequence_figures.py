"""Which figures sequence runs have, what is asked of each, and why one is missing."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.figures.legibility import grey_twins
from sapo_analysis.paper.captions import draft
from sapo_analysis.paper.figures import every_figure, figure, kinds_of
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.options import Options
from sapo_analysis.store import open_run
from tests.analysis.sequences.test_metrics import noisy
from tests.analysis.sequences.test_training import with_curves
from tests.synthetic_sequence import write_sequence_run

LONG = [f"task{i:04d}_reviews_of_{what}" for i, what in enumerate(("books", "films", "shops"))]
ORDERS = [LONG, LONG[1:] + LONG[:1], LONG[::-1]]
STRATEGIES = ["original", "random", "sapo", "sapo-once", "original+lora-inc", "sapo-once+lora-inc"]


def scattered(strategy, order, seed, stage, position, prompt):
    letters = tuple("abc"[LONG.index(task)] for task in order)
    return noisy(strategy, letters, seed, stage, position, prompt)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    path = write_sequence_run(
        tmp_path_factory.mktemp("runs"),
        scattered,
        orders=ORDERS,
        strategies=STRATEGIES,
        seeds=[0, 1],
        losses={"00": 1.5, "01": 1.0, "02": 4.0},
    )
    return numbers_of([with_curves(path)])


@pytest.fixture(scope="module")
def made(numbers):
    return list(every_figure(numbers))


def test_all_figures_of_a_sequence_study_by_method(made, numbers):
    assert {one.kind.name for one in made} == {kind.name for kind in kinds_of(numbers)}
    names = [one.name for one in made]
    assert [name for name in names if name.startswith("stage_matrix")] == [
        *("stage_matrix-lora", "stage_matrix-lora-inc")
    ]
    assert len({one.spec.name for one in made}) == len(set(names)) == len(made)
    assert all(not grey_twins(one.spec) and draft(one.spec.caption) for one in made)


@pytest.mark.parametrize(("venue", "font"), [("icml", "serif"), ("acl", "sans")])
def test_long_names_of_tasks_and_strategies_can_be_read(made, numbers, venue, font):
    specs = {one.kind.name: one.spec for one in made if one.options.method != "lora"}
    for name in ("stage_matrix", "stage_curves", "choices_along"):
        specs[f"{name}, one order"] = figure(name, numbers, Options(order=" > ".join(LONG)))
    for name, spec in specs.items():
        assert spec.drawn(venue, "column", font).problems == (), name


def test_order_and_strategy_of_the_choices_can_be_asked_for(numbers):
    order = " > ".join(ORDERS[2])
    spec = figure("choices_along", numbers, Options(strategy="sapo-once+lora", order=order))
    assert spec.panels[0].x_ticks.labels[0].startswith("1: task0002")
    assert f"one chain of sapo-once+lora, order {order}, seed 0" in spec.caption.shows
    assert figure("choices_along", numbers).name == "choices_along"
    with pytest.raises(InputError, match="SAPO did not take part with lora-inc"):
        figure("choices_along", numbers, Options(method="lora-inc"))


@pytest.mark.parametrize("name", ["stage_matrix", "stage_curves", "choices_along"])
def test_an_order_that_was_not_run_is_refused_by_name(numbers, name):
    with pytest.raises(InputError, match="Unknown order 'a > b'"):
        figure(name, numbers, Options(order="a > b"))


@pytest.mark.parametrize("name", ["strategy_contrasts", "stage_curves", "strategy_race"])
def test_a_method_that_took_no_part_is_refused_by_name(numbers, name):
    with pytest.raises(InputError, match="Unknown method 'ewc'"):
        figure(name, numbers, Options(method="ewc"))


def test_where_there_is_no_figure_there_is_a_reason(tmp_path):
    lone = write_sequence_run(tmp_path, noisy, strategies=["original"], name="lone")
    found = {one.kind.name: one for one in every_figure(numbers_of([open_run(lone)]))}
    assert "no paired difference yet" in found["strategy_contrasts"].why_not
    assert "SAPO did not take part" in found["choices_along"].why_not
    assert "No chain with training losses" in found["stage_curves"].why_not
    assert found["stage_matrix"].spec is not None
    begun = write_sequence_run(tmp_path, noisy, stages=0, state="running", name="begun")
    for one in every_figure(numbers_of([open_run(begun)])):
        assert one.spec is None or one.kind.name == "stage_matrix", one.kind.name
