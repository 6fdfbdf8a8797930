import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis import prompts_table, seeds_table
from sapo_analysis.analysis.prompt_means import SD_UNIT, prompt_means, without_value
from sapo_analysis.errors import InputError


def rows(*values, **columns):
    """(prompt, seed, eval_task, y) rows of one current task; x is the prompt's number."""
    table = pd.DataFrame(values, columns=["prompt_id", "seed", "eval_task", "y"])
    table["x"] = table["prompt_id"].str[1:].astype(float)
    return table.assign(current_task="a", role="past", **columns)


def test_mean_over_tasks_then_over_the_seeds_all_prompts_share():
    table = rows(
        *(("p1", 0, "e", 1.0), ("p1", 0, "f", 3.0), ("p1", 1, "e", 5.0), ("p1", 1, "f", 7.0)),
        *(("p2", 0, "e", 2.0), ("p2", 0, "f", 6.0), ("p2", 1, "e", 2.0), ("p2", 1, "f", 2.0)),
        *(("p1", 2, "e", 99.0), ("p1", 2, "f", 99.0)),  # p2 lacks seed 2
    )
    found = prompts_table(table, "y", "past", x="x")
    assert found["y"].tolist() == [4.0, 3.0]
    assert found["x"].tolist() == [1.0, 2.0]
    assert found["n_seeds"].tolist() == [2, 2]
    assert found["n_eval_tasks"].tolist() == [2, 2]


def test_one_evaluated_task_can_be_chosen():
    table = rows(("p1", 0, "e", 1.0), ("p1", 0, "f", 3.0), ("p2", 0, "e", 2.0), ("p2", 0, "f", 6.0))
    found = prompts_table(table, "y", "past", x="x", eval_task="f")
    assert found["y"].tolist() == [3.0, 6.0]
    with pytest.raises(InputError, match="Unknown evaluated task 'g'"):
        prompts_table(table, "y", "past", x="x", eval_task="g")


def test_different_metrics_are_divided_by_their_spread_over_prompts_first():
    table = rows(
        *(("p1", 0, "e", 0.0), ("p2", 0, "e", 2.0), ("p1", 0, "f", 10.0), ("p2", 0, "f", 40.0)),
        *(("p1", 0, "g", 5.0), ("p2", 0, "g", 5.0)),  # no spread: left out
    )
    table["forgetting"] = table["y"]
    table["metric"] = table["eval_task"].map({"e": "accuracy", "f": "rouge", "g": "rouge"})
    found = prompts_table(table, "forgetting", x="x")
    sd_e, sd_f = np.std([0, 2], ddof=1), np.std([10, 40], ddof=1)
    assert found["forgetting"].tolist() == pytest.approx(
        [(0 / sd_e + 10 / sd_f) / 2, (2 / sd_e + 40 / sd_f) / 2]
    )
    assert set(found["unit"]) == {SD_UNIT}
    assert set(found["n_eval_tasks"]) == {2}
    losses = table.rename(columns={"forgetting": "forgetting_loss"})
    in_nats = prompts_table(losses, "forgetting_loss", x="x")
    assert in_nats["forgetting_loss"].tolist() == pytest.approx([5.0, 47 / 3])
    assert set(in_nats["unit"]) == {"nats per target token"}


def test_noise_trials_never_enter(df):
    changed = df.copy()
    changed.loc[changed["purpose"] == "noise", "forgetting"] = 1e6
    assert prompts_table(df, "forgetting", "past").equals(
        prompts_table(changed, "forgetting", "past")
    )


def test_two_roles_are_never_pooled(df):
    with pytest.raises(InputError, match=r"several roles \(past, retained\).*role="):
        prompts_table(df, "forgetting")
    assert len(prompts_table(df, "generalization")) == 5 * 12


def test_a_task_without_a_shared_seed_is_left_out():
    table = rows(("p1", 0, "e", 1.0), ("p2", 1, "e", 2.0))
    assert len(prompts_table(table, "y", x="x")) == 0


def test_rows_that_name_no_prompt_or_evaluated_task_are_left_out():
    table = rows(("p1", 0, "e", 1.0), ("p2", 0, "e", 2.0))
    for column in ("prompt_id", "eval_task", "current_task"):
        nameless = table.assign(seed=1, y=9.0, **{column: None})
        found = prompts_table(pd.concat([table, nameless]), "y", x="x")
        assert found["y"].tolist() == [1.0, 2.0] and found["n_seeds"].tolist() == [1, 1]


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_order_of_rows_changes_nothing(n_seeds):
    rng = np.random.default_rng(0)
    cells = [
        (f"p{p}", seed, e, rng.normal()) for p in range(4) for seed in range(n_seeds) for e in "ef"
    ]
    table = rows(*cells)
    shuffled = table.sample(frac=1, random_state=1)
    for made in (prompts_table, seeds_table):
        pd.testing.assert_frame_equal(made(table, "y", x="x"), made(shuffled, "y", x="x"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.rename(columns={"y": "z"}), "Unknown column 'y'"),
        (lambda t: t.rename(columns={"x": "z"}), "Unknown column 'x'"),
        (lambda t: t.assign(y=np.inf), "infinite"),
        (lambda t: t.assign(y=[1.0, -1e80]), "'y' holds a value of -1e\\+80, too large"),
        (lambda t: t.assign(x=[-3e-70, 0.0]), "'x' holds a value of -3e-70, too small"),
        (lambda t: t.assign(y=t["y"] + 1j), "'y' is not numeric"),
        (lambda t: pd.concat([t, t[["x"]]], axis=1), "two columns 'x'"),
        (lambda t: t.assign(y="one"), "not numeric"),
        (lambda t: pd.concat([t, t]), "Two rows hold 'y'"),
        (lambda t: t["y"], "DataFrame"),
    ],
)
def test_bad_tables_are_refused(change, message):
    table = rows(("p1", 0, "e", 1.0), ("p2", 0, "e", 2.0))
    with pytest.raises(InputError, match=message):
        prompts_table(change(table), "y", x="x")


def test_sizes_that_can_be_squared_are_taken():
    table = rows(("p1", 0, "e", 1.0), ("p2", 0, "e", 2.0)).assign(y=[1e49, -0.0], x=[1e-49, -2.0])
    assert list(prompts_table(table, "y", x="x")["y"]) == [1e49, 0.0]


def test_a_prompt_without_x_at_one_seed_alone_is_not_said_to_be_left_out():
    table = rows(
        *(("p1", 0, "e", 1.0), ("p2", 0, "e", 2.0), ("p3", 0, "e", 3.0)),
        *(("p1", 1, "e", 1.0), ("p2", 1, "e", 2.0), ("p3", 1, "f", 3.0)),
    )
    at_one_seed = table["x"].mask((table["prompt_id"] == "p1") & (table["seed"] == 1))
    assert without_value(table.assign(x=at_one_seed), ["x"], "y", "current_task") == ""
    nowhere = table.assign(x=table["x"].mask(table["prompt_id"] == "p1"))
    said = ". Prompts left out for lack of a value: 1 of a"
    assert without_value(nowhere, ["x"], "y", "current_task") == said
    # Rows of another evaluated task say nothing of the one that is looked at.
    only_f = table.assign(x=table["x"].mask(table["eval_task"] == "f"))
    assert prompt_means(only_f, "y", role="past", x="x", eval_task="e").incomplete == ""
    assert prompt_means(nowhere, "y", role="past", x="x", eval_task="e").incomplete == said
