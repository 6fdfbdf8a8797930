"""The figures of paraphrase studies: which there are, of what numbers, and what they cite."""

from dataclasses import replace

import pytest

from sapo_analysis import analysis
from sapo_analysis.errors import InputError
from sapo_analysis.figures.claim_1_spread import IN_TASK
from sapo_analysis.figures.spec import Points, Span
from sapo_analysis.paper.citations import KEYS
from sapo_analysis.paper.figures import every_figure, figure, kinds_of
from sapo_analysis.paper.numbers import ParaphraseNumbers, numbers_of
from sapo_analysis.paper.options import Options
from sapo_analysis.store import open_run
from tests.synthetic import write_run


def layers(spec, kind, panel=0):
    return [layer for layer in spec.panels[panel].layers if isinstance(layer, kind)]


def test_every_kind_can_be_made_and_cites_what_there_is(study_numbers):
    made = list(every_figure(study_numbers))
    assert {m.kind.name for m in made} == {kind.name for kind in kinds_of(study_numbers)}
    assert {"claim_1_spread", "regret_curve"} <= {m.kind.name for m in made}
    assert [(m.name, m.why_not) for m in made if m.spec is None] == []
    names = [m.name for m in made]
    assert len(set(names)) == len(names) and "claim_1_spread-loss" in names
    for kind in kinds_of(study_numbers):
        assert set(kind.cites) <= set(KEYS), kind.name


def test_the_scatter_is_told_the_mean_over_tasks(study_numbers):
    options = Options(outcome="generalization", form="loss")
    new, _ = study_numbers.means(options)
    said = figure("impact_scatter", study_numbers, options).panels[0].subtitle
    assert f"{new.value:+.2f}".replace("-", "−") in said and "4 tasks" in said
    panels = figure("impact_scatter", study_numbers, replace(options, view="panels")).panels
    assert [panel.title for panel in panels] == [f"current-{i}" for i in range(4)]
    assert all("n\N{NO-BREAK SPACE}=" in panel.subtitle for panel in panels)


@pytest.mark.parametrize("form", ["score", "loss"])
@pytest.mark.parametrize(
    ("outcome", "x", "side"),
    [
        ("forgetting_past", "pre_update_loss", (0.0, 1.0)),
        ("forgetting_retained", "pre_update_loss_content", (0.0, 1.0)),
        ("generalization", "pre_update_loss", (-1.0, 0.0)),
        ("generalization", "prompt_length", None),
        ("in_task", "pre_update_loss", None),
    ],
)
def test_the_predicted_side_is_that_of_the_outcome_in_either_form(
    study_numbers, outcome, x, side, form
):
    if x not in study_numbers.df:
        pytest.skip("this averaging was not measured")
    options = Options(outcome=outcome, form=form, x=x)
    found = [
        (s.lower, s.upper) for s in layers(figure("task_forest", study_numbers, options), Span)
    ]
    assert found == ([side] if side else [])
    # Both forms of an outcome say the same: r has the generating sign in each.
    if side:
        assert study_numbers.means(options)[0].value * sum(side) > 0


@pytest.mark.parametrize("name", ["selection_bars", "pool_curve", "regret_curve"])
def test_a_pick_is_not_judged_by_the_in_task_result(study_numbers, name):
    with pytest.raises(InputError, match="told of forgetting and generalization"):
        figure(name, study_numbers, Options(outcome="in_task"))


def test_claim_1_has_the_estimates_of_the_verdicts(study_numbers):
    spec = figure("claim_1_spread", study_numbers, Options(form="loss"))
    table = analysis.claim_1_spreads(study_numbers.df, "loss").table
    (own,) = [p for p in layers(spec, Points) if p.label == IN_TASK]
    assert sorted(own.x[1:]) == sorted(table["in_task_spread"])
    judged = [
        v.estimate for v in study_numbers.verdicts if (v.claim, v.form) == ("claim_1", "loss")
    ]
    assert study_numbers.claim_1("loss")[1] == judged


def test_a_study_that_is_not_finished_has_hollow_points_and_the_same_figures(tmp_path):
    path = write_run(tmp_path, n_tasks=2, n_prompts=5, seeds=(0, 1, 2), finish=False)
    numbers = numbers_of([open_run(path)])
    kinds = ("impact_scatter", "task_forest", "claim_1_spread", "selection_bars")
    for name in (*kinds, "indicator_forest", "pool_curve", "regret_curve"):
        spec = figure(name, numbers)
        drawn = [p for k in range(len(spec.panels)) for p in layers(spec, Points, k)]
        assert drawn and spec.alt and all(p.hollow for p in drawn), name
        assert any("not finished" in mark for mark in spec.caption.explained), name


def test_a_finished_control_of_random_weights_is_not_drawn_as_unfinished(tmp_path):
    path = write_run(tmp_path, n_tasks=2, n_prompts=5, seeds=(0, 1), weights="random")
    numbers = numbers_of([open_run(path)])
    assert numbers.silent and numbers.is_complete
    spec = figure("task_forest", numbers)
    assert not any(p.hollow for p in layers(spec, Points) if p.keys)
    assert not any("finished" in mark for mark in spec.caption.explained)


def test_a_forest_of_one_evaluated_task_names_it(study_numbers):
    df = study_numbers.df
    task = df.loc[df["role"] == "past", "eval_task"].iloc[0]
    shows = figure("task_forest", study_numbers, Options(eval_task=task)).caption.shows
    assert shows.endswith(f"forgetting of {task}")


def test_the_heat_map_is_of_the_form_that_is_asked_for(study_numbers):
    for form in ("score", "loss"):
        spec = figure("impact_heatmap", study_numbers, Options(form=form))
        assert f"{form} form" in spec.caption.shows
        assert spec.name == {"score": "impact_heatmap", "loss": "impact_heatmap-loss"}[form]
        values = {round(r, 9) for r in study_numbers.between_tasks(form)["r"]}
        assert {round(r, 9) for row in spec.panels[0].layers[0].values for r in row if r == r} == (
            values
        )


def test_two_prompts_and_one_seed_give_a_figure_or_one_sentence(tmp_path):
    numbers = numbers_of([open_run(write_run(tmp_path, n_tasks=1, n_prompts=2))])
    why = {}
    for made in every_figure(numbers):
        if made.spec is None:
            why[made.kind.name] = made.why_not
            assert made.why_not.rstrip().endswith(".")
        else:
            assert made.spec.to_plotly().data, made.name
            assert "nan" not in f"{made.spec.alt} {made.spec.caption}".lower(), made.name
    assert "two seeds" in why["regret_curve"] and "four prompts" in why["task_forest"]
    assert "at least 4" in why["claim_1_spread"]


def test_a_study_that_tested_no_trial_on_its_own_task_has_no_spread_to_compare(study_numbers):
    others = study_numbers.df[study_numbers.df["role"] != "current"]

    class WithoutOwn(ParaphraseNumbers):
        df = others

    with pytest.raises(InputError, match=r"no spreads to compare.*own task"):
        WithoutOwn(study_numbers.runs).claim_1("score")
