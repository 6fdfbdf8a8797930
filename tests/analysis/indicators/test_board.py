"""The leader board: each number against functions for one indicator, loops, and other packages."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from sapo_analysis.analysis import task_correlations, within_task_correlation
from sapo_analysis.analysis.indicators.board import BOARD_INDICATORS, indicator_board
from sapo_analysis.analysis.indicators.rivals import INDICATORS
from sapo_analysis.analysis.levels.permutation import shuffled
from sapo_analysis.errors import InputError


def table_with(effects, k=6, n=12, seed=0, spread=0.0):
    """Tasks x prompts; columns i0, i1, … whose correlation with y is tanh of about `effects`."""
    rng = np.random.default_rng(seed)
    parts = []
    for task in range(k):
        r = np.tanh(np.asarray(effects) + spread * rng.standard_normal(len(effects)))
        y = rng.standard_normal(n)
        x = r * y[:, np.newaxis] + np.sqrt(1 - r**2) * rng.standard_normal((n, len(effects)))
        part = pd.DataFrame(x, columns=[f"i{j}" for j in range(len(effects))])
        ids = [f"p{i:02d}" for i in range(n)]
        parts.append(part.assign(y=y, current_task=f"t{task}", prompt_id=ids))
    return pd.concat(parts, ignore_index=True)


def board_of(df, y="y", x="i0", m=0, **settings):
    return indicator_board(df, y, x=x, n_permutations=m, **settings)


def by_name(board):
    return {row.indicator: row for row in board.rows}


def z_of(df, name, y="y", **settings):
    found = task_correlations(df, name, y, n_permutations=0, **settings)
    return np.arctanh([e.value for e in found])


@pytest.mark.parametrize(("y", "role"), [("forgetting", "past"), ("generalization_loss", "unseen")])
def test_rows_are_the_correlations_of_each_alone(df, y, role):
    board = indicator_board(df, y, role, n_permutations=199, seed=5)
    assert (board.y, board.role, board.x) == (y, role, "pre_update_loss")
    tried = {name for name in BOARD_INDICATORS if name in df}
    assert len(tried) > 4 and set(by_name(board)) | set(board.left_out) == tried
    for name, row in by_name(board).items():
        for scope, ends in (
            ("new_tasks", (row.lower, row.upper)),
            ("these_tasks", (row.these_lower, row.these_upper)),
        ):
            one = within_task_correlation(
                df, name, y, role, scope=scope, n_permutations=199, seed=5
            )
            assert (row.r, *ends) == pytest.approx((one.value, one.lower, one.upper), abs=1e-9)
            assert (row.p, row.n_tasks, row.n_prompts) == (one.p, one.n_tasks, one.n_prompts)


def test_adjusted_p_counts_the_largest_of_all_in_each_shuffle():
    df = table_with([0.3, 0.1, 0.5, 0.0], k=3, n=8, seed=1)
    m, names = 300, ["i0", "i1", "i2", "i3"]
    rows = by_name(board_of(df, m=m, seed=2))
    tasks = [own for _, own in df.groupby("current_task")]
    orders = [shuffled(np.arange(8.0), m, 2, i).astype(int) for i in range(3)]

    def mean_z(name, y_of):
        r = [np.corrcoef(own[name], y_of(i, own))[0, 1] for i, own in enumerate(tasks)]
        return abs(np.mean(np.arctanh(r)))

    largest = []
    for s in range(m):
        moved = [own["y"].to_numpy()[orders[i][s]] for i, own in enumerate(tasks)]
        largest.append(max(mean_z(name, lambda i, own, moved=moved: moved[i]) for name in names))
    for name in names:
        b = np.sum(np.array(largest) >= mean_z(name, lambda i, own: own["y"]) - 1e-9)
        assert rows[name].p_adjusted == (b + 1) / (m + 1)
        assert rows[name].p_adjusted >= rows[name].p
    assert rows["i3"].p_adjusted > 1.5 * rows["i3"].p


def test_alone_there_is_nothing_to_adjust_and_copies_do_not_count_twice():
    df = table_with([0.2, 0.1], seed=3)
    alone = board_of(df, m=199, indicators=["i0"]).rows[0]
    assert alone.p_adjusted == alone.p
    copies = df.assign(**{f"copy{j}": 5 - (j + 2) * df["i0"] for j in range(5)})
    names = [name for name in copies if name.startswith("copy")]
    for row in board_of(copies, m=199, indicators=names).rows:
        assert row.p_adjusted == row.p == alone.p


def test_strength_takes_its_sign_from_the_other_tasks():
    df = table_with([0.4, 0.1, -0.6], k=7, seed=1, spread=0.3)
    for name, row in by_name(board_of(df)).items():
        z = z_of(df, name)
        signed = [np.sign(np.delete(z, t).mean()) * z[t] for t in range(7)]
        assert np.arctanh(row.strength) == pytest.approx(np.mean(signed)), name
        assert row.strength_lower <= row.strength <= row.strength_upper
    weak, strong = by_name(board_of(df))["i1"], by_name(board_of(df))["i2"]
    assert weak.strength < abs(weak.r)  # the tasks disagree on its sign
    # Where they agree it is r with the sign turned, and so is its interval.
    ends = (-strong.r, -strong.upper, -strong.lower)
    assert (strong.strength, strong.strength_lower, strong.strength_upper) == pytest.approx(ends)


def test_where_the_sign_is_in_doubt_the_interval_allows_for_both():
    df = table_with([0.4, 0.0], k=7, seed=1, spread=0.3)
    row = by_name(board_of(df))["i1"]
    interval = stats.ttest_1samp(z_of(df, "i1"), 0).confidence_interval()
    assert interval.low < 0 < interval.high
    assert np.arctanh(row.strength_upper) == pytest.approx(max(interval.high, -interval.low))
    lower = max(interval.low, -interval.high)
    assert np.arctanh(row.strength_lower) == pytest.approx(min(lower, np.arctanh(row.strength)))


def test_an_interval_holds_its_value_where_tasks_disagree_so_much_that_no_sign_does(table_of):
    row = board_of(table_of([0.3, -0.3] * 8), x="x").rows[0]
    # Without its own task the others lean the other way, each time.
    assert row.strength == pytest.approx(-0.3) and abs(row.r) < 1e-9
    assert -0.3 < row.lower and row.strength_lower == row.strength
    assert row.strength_upper == pytest.approx(row.upper)


def test_differences_are_paired_over_tasks_and_their_p_is_holms():
    df = table_with([0.9, 0.5, -0.7, 0.3, -0.2, 0.9], k=12, n=16, seed=0)
    rows = by_name(board_of(df))
    z = {name: z_of(df, name) for name in rows}
    sign = {name: np.sign(own.mean()) for name, own in z.items()}
    stable = [
        name
        for name, own in z.items()
        if all(np.sign(np.delete(own, t).mean()) == sign[name] for t in range(12))
    ]
    assert {"i1", "i2", "i3", "i5"} <= set(stable)
    for name in set(stable) - {"i0"}:
        gap = sign[name] * z[name] - sign["i0"] * z["i0"]
        test = stats.ttest_1samp(gap, 0)
        ends = test.confidence_interval()
        row = rows[name]
        assert row.difference == pytest.approx(gap.mean())
        assert (row.difference_lower, row.difference_upper) == pytest.approx((ends.low, ends.high))
        other = stats.ttest_1samp(-sign[name] * z[name] - sign["i0"] * z["i0"], 0)
        t = max(test.statistic, other.statistic)
        assert row.difference_p == pytest.approx(2 * stats.t.sf(abs(t), 11))
    others = [row for name, row in rows.items() if name != "i0"]
    p = np.sort([row.difference_p for row in others])
    assert (np.diff(p * np.arange(len(p), 0, -1)) < 0).any()  # one is held up by the one before
    expected = multipletests([row.difference_p for row in others], method="holm")[1]
    assert [row.difference_p_adjusted for row in others] == pytest.approx(list(expected))
    assert any(row.difference_p < 0.05 < row.difference_p_adjusted for row in others)
    x = rows["i0"]
    assert np.isnan([x.difference, x.difference_lower, x.difference_p_adjusted]).all()


def test_a_difference_of_doubtful_signs_is_the_larger_of_two_and_of_x_the_smaller():
    df = table_with([0.1, 0.05], k=5, seed=4, spread=0.2)
    z, of_x = z_of(df, "i1"), z_of(df, "i0")
    ends = {(a, b): stats.ttest_1samp(a * z - b * of_x, 0) for a in (1, -1) for b in (1, -1)}

    def over(value):
        return max(min(value(ends[a, b]) for b in (1, -1)) for a in (1, -1))

    row = by_name(board_of(df))["i1"]
    lower = over(lambda test: test.confidence_interval().low)
    upper = over(lambda test: test.confidence_interval().high)
    assert row.difference_lower == pytest.approx(min(lower, row.difference))
    assert row.difference_upper == pytest.approx(max(upper, row.difference))
    t = over(lambda test: test.statistic)
    assert row.difference_p == pytest.approx(2 * stats.t.sf(abs(t), 4))


def test_x_is_judged_by_the_sign_that_the_claims_predict():
    df = table_with([-0.6, 0.3], k=6).rename(columns={"i0": "pre_update_loss"})
    df = df.assign(turned=-df["pre_update_loss"])
    against = df.rename(columns={"y": "forgetting_loss"})
    board = indicator_board(against, "forgetting_loss", n_permutations=0)
    x, turned = (by_name(board)[name] for name in ("pre_update_loss", "turned"))
    assert board.predicted == 1 and x.strength == pytest.approx(x.r) and x.r < -0.3
    # Turned around it predicts, which nobody had said before.
    assert turned.strength == pytest.approx(-x.strength)
    assert turned.difference == pytest.approx(-2 * np.arctanh(x.r)) and turned.rank < x.rank
    assert board.winner.r > 0.3 and board.winner.difference > 0.6
    for y, predicted in (("generalization", -1), ("impact", 0), ("learning_loss", 0)):
        board = indicator_board(df.rename(columns={"y": y}), y, n_permutations=0)
        assert board.predicted == predicted
        # As predicted, or by the other tasks' signs: here both turn r.
        assert by_name(board)["pre_update_loss"].strength == pytest.approx(-x.r)
    assert indicator_board(against, "forgetting_loss", x="i1", n_permutations=0).predicted == 0


def test_rows_stand_by_strength_and_equals_as_they_were_named():
    df = table_with([0.3, 0.1, -0.9, 0.6])
    copies = {f"copy{j}": (j - 2.7) * df["i0"] + j for j in range(6)}
    df = df.assign(**copies, copy=2 * df["i0"] + 1)
    board = board_of(df)
    names = ["i2", "i3", "i0", *copies, "copy", "i1"]
    assert [row.indicator for row in board.rows] == names
    assert [row.rank for row in board.rows] == list(range(1, 12))
    copy = by_name(board)["copy"]
    assert (copy.difference, copy.note) == (0.0, "the same as x in every task")
    assert np.isnan([copy.difference_lower, copy.difference_upper, copy.difference_p]).all()
    assert board.table["rank"].tolist() == list(range(1, 12))
    assert list(board.table["indicator"]) == names


def test_the_best_one_is_found_and_holds_on_tasks_left_out():
    board = board_of(table_with([0.2, 0.0, 0.0, -1.0, 0.0, 0.1], k=8, seed=7), m=499)
    assert board.rows[0].indicator == board.winner.overall == "i3"
    assert board.rows[0].p_adjusted == 1 / 500
    assert board.winner.chosen == {"i3": 8} and board.winner.p == 1 / 500
    assert 0 < board.winner.lower < board.winner.r < board.winner.overall_r + 1e-9
    assert board.winner.difference_lower > 0


def test_if_all_are_useless_one_in_twenty_boards_says_otherwise():
    boards = [board_of(table_with([0.0] * 4, k=3, n=8, seed=s), m=99, seed=s) for s in range(150)]
    best = [min(row.p_adjusted for row in board.rows) for board in boards]
    assert 0.01 <= np.mean(np.array(best) <= 0.05) <= 0.09
    raw = [min(row.p for row in board.rows) for board in boards]
    assert np.mean(np.array(raw) <= 0.05) > 0.15
    assert 0.01 <= np.mean([board.winner.p <= 0.05 for board in boards]) <= 0.09
    # The best of them looks like something on the tasks that chose it, and is nothing on others.
    left_out = np.arctanh([board.winner.r for board in boards])
    assert abs(left_out.mean()) < 3 * stats.sem(left_out)
    assert np.mean([board.winner.overall_r for board in boards]) > 0.3
    strengths = np.arctanh([by_name(board)["i3"].strength for board in boards])
    assert abs(strengths.mean()) < 3 * stats.sem(strengths)


def test_what_is_tried_when_nothing_is_named(df):
    held = df.assign(
        flat=1.0, word="a", nothing=np.nan, mine=np.arange(len(df)) % 7.0, prompt_frequency=3.0
    )
    board = indicator_board(held, role="past", n_permutations=0)
    names = [row.indicator for row in board.rows]
    assert {"mine", "pre_update_loss_content", "prompt_length"} <= set(names)
    assert not {"word", "nothing", "prompt_frequency", "flat", "score_before", "seed"} & set(names)
    assert "flat is the same for every prompt" in board.left_out["flat"]
    assert f"largest |T| of {len(names)} indicators" in board.method
    assert set(INDICATORS) < set(BOARD_INDICATORS) and BOARD_INDICATORS[0] == "pre_update_loss"
    # What is named stays, whatever it is.
    board = indicator_board(held, role="past", indicators=["flat", "mine"], n_permutations=9)
    flat = by_name(board)["flat"]
    assert (flat.n_tasks, flat.n_prompts, flat.rank) == (0, 0, None)
    assert np.isnan([flat.r, flat.lower, flat.p, flat.p_adjusted, flat.strength]).all()
    assert "flat is the same for every prompt" in flat.note and board.left_out == {}
    assert indicator_board(held, role="past", indicators="mine", n_permutations=0).rows[1:]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"indicators": ["nobody"]}, "Unknown column 'nobody'"),
        ({"indicators": ["i1", "i1"]}, "twice"),
        ({"indicators": ["y"]}, "no indicator of itself"),
        ({"indicators": ["prompt_id"]}, "not numeric"),
        ({"x": "y"}, "no indicator of itself"),
        ({"x": "nobody"}, "Unknown column"),
        ({"role": "past"}, "no column 'role'"),
        ({"m": -1}, "n_permutations"),
    ],
)
def test_what_cannot_be_ranked_is_refused_in_words(settings, says):
    with pytest.raises(InputError, match=says):
        board_of(table_with([0.3, 0.1]), **settings)


def test_infinite_values_repeated_rows_and_mixed_roles_are_refused():
    df = table_with([0.3, 0.1])
    with pytest.raises(InputError, match="'i1' holds an infinite value"):
        board_of(df.assign(i1=df["i1"].where(df.index > 0, np.inf)))
    with pytest.raises(InputError, match="Two rows hold"):
        board_of(pd.concat([df, df.iloc[:1]]))
    with pytest.raises(InputError, match="never pooled"):
        board_of(df.assign(role=np.where(df.index % 2, "past", "unseen")))


def test_few_tasks_rank_nothing():
    two = table_with([0.5, 0.3], k=2).rename(columns={"i0": "pre_update_loss"})
    board = indicator_board(two.rename(columns={"y": "forgetting"}), n_permutations=99)
    x, other = board.rows
    assert x.indicator == "pre_update_loss" and (x.rank, other.rank) == (None, None)
    assert np.isfinite([x.r, x.strength, x.lower, other.r, other.p_adjusted]).all()
    assert np.isnan([other.strength, other.difference, board.winner.r]).all()
    assert other.note == "2 tasks, a strength needs 3"
    assert board.winner.note == "no indicator enters in 3 tasks"
    one = table_with([0.5, 0.3], k=1)
    for row in board_of(one, m=99).rows:
        assert np.isfinite([row.r, row.these_lower, row.p]).all()
        assert np.isnan([row.lower, row.upper, row.strength]).all()


@pytest.mark.parametrize(
    "broken",
    [
        lambda df: df.iloc[:0],
        lambda df: df.assign(y=1.0),
        lambda df: df.assign(y=np.nan),
        lambda df: df.assign(i0=np.nan),
        lambda df: df[df["prompt_id"] == "p00"],
        lambda df: df.assign(i0=0.0, i1=2.0),
    ],
)
@pytest.mark.parametrize("named", [None, ["i1"]])
def test_where_nothing_can_be_correlated_every_number_is_missing_and_says_why(broken, named):
    board = board_of(broken(table_with([0.3, 0.1])), m=20, indicators=named)
    x = by_name(board)["i0"]
    assert x.n_tasks == 0 and x.rank is None
    assert np.isnan([x.r, x.lower, x.these_lower, x.p, x.p_adjusted, x.strength]).all()
    assert x.note
    said = json.loads(json.dumps(board.to_dict(), allow_nan=False))
    row = next(row for row in said["rows"] if row["indicator"] == "i0")
    assert row["r"] is None and row["rank"] is None
    assert len(board.table) == len(board.rows)


def test_a_task_without_an_indicator_counts_for_the_others():
    df = table_with([0.5, 0.4, 0.3], k=5)
    df.loc[df["current_task"] == "t0", "i1"] = 4.0
    board = board_of(df, m=99)
    rows = by_name(board)
    assert (rows["i0"].n_tasks, rows["i1"].n_tasks, rows["i2"].n_tasks) == (5, 4, 5)
    assert rows["i1"].note == "Left out: t0: i1 is the same for every prompt"
    z, of_x = z_of(df, "i1"), z_of(df, "i0")[1:]
    assert rows["i1"].difference == pytest.approx((z - of_x).mean())
    assert board.winner.n_tasks == 5


def test_the_same_table_gives_the_same_board_whatever_the_order_of_its_rows():
    df = table_with([0.3, 0.1, 0.2])
    one = board_of(df, m=99, seed=1)
    assert board_of(df.sample(frac=1, random_state=0), m=99, seed=1).to_dict() == one.to_dict()
    other = board_of(df, m=99, seed=2)
    assert [row.r for row in other.rows] == [row.r for row in one.rows]
    assert [row.p for row in other.rows] != [row.p for row in one.rows]
    assert np.isnan([row.p for row in board_of(df).rows]).all()


def test_columns_whose_names_are_no_text_are_no_indicators():
    df = table_with([0.3, 0.1])
    odd = pd.DataFrame({0: df["i1"], ("a", "b"): df["i1"] ** 2})
    found = board_of(pd.concat([df, odd], axis=1))
    assert found.to_dict() == board_of(df).to_dict()
