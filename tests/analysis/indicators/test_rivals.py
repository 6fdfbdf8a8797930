"""Rival indicators: each row is what the functions for one estimate say."""

import pytest

from sapo_analysis.analysis import impacts, partial_correlation, rivals, within_task_correlation
from sapo_analysis.analysis.indicators.rivals import GIVEN, INDICATORS
from sapo_analysis.errors import InputError
from sapo_analysis.store import open_run
from tests.synthetic import write_run


@pytest.fixture(scope="module")
def df(tmp_path_factory):
    run = open_run(write_run(tmp_path_factory.mktemp("rivals"), n_tasks=4, n_prompts=12))
    table = impacts(run)
    # A familiarity that the loss follows only in part, and an indicator that was not measured.
    rank = table.groupby("prompt_id").ngroup().astype(float)
    noise = (rank * 7.3) % 5
    return table.assign(
        log_prompt_frequency=noise,
        prompt_seen=(noise > 2).astype(float),
        gradient_norm=float("nan"),
    )


@pytest.mark.parametrize(("y", "role"), [("forgetting", "past"), ("generalization_loss", "unseen")])
def test_rows_are_the_correlations_with_and_without_others_held_fixed(df, y, role):
    table = rivals(df, y, role)
    held = [x for x in INDICATORS if x in df and df[x].notna().any()]
    assert {"pre_update_loss", "log_prompt_frequency", "prompt_seen"} <= set(held)
    assert "gradient_norm" not in held
    given = [(x, g) for x, g in GIVEN if {x, *g} <= set(held)]
    assert len(given) >= 4
    expected = [(x, ()) for x in held] + given
    assert [(r.indicator, r.given) for r in table.itertuples()] == [
        (x, " and ".join(g)) for x, g in expected
    ]
    for row, (x, g) in zip(table.itertuples(), expected, strict=True):
        for scope, ends in (
            ("new_tasks", (row.lower, row.upper)),
            ("these_tasks", (row.these_lower, row.these_upper)),
        ):
            settings = {"role": role, "scope": scope, "n_permutations": 0}
            one = (
                partial_correlation(df, x, y, g, **settings)
                if g
                else within_task_correlation(df, x, y, **settings)
            )
            assert (row.r, *ends) == (one.value, one.lower, one.upper)
            assert (row.n_tasks, row.n_prompts) == (one.n_tasks, one.n_prompts)


def test_an_unknown_outcome_or_role_is_refused(df):
    with pytest.raises(InputError):
        rivals(df, "forgetting_of", "past")
    with pytest.raises(InputError, match="nobody"):
        rivals(df, "forgetting", "nobody")
