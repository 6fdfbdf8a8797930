"""A run made again: whatever was changed in it is found, and nothing else is."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis import Reproduction, compare_runs, report
from sapo_analysis.analysis.differences import ROWS
from sapo_analysis.analysis.reproduction import compare_estimates, compare_tables, terms_of
from sapo_analysis.errors import InputError
from sapo_analysis.records import TABLES, tables_of
from sapo_analysis.same_loss import allowed_difference, is_same_loss
from sapo_analysis.store import layout, open_run
from tests.synthetic import Truth, write_run

OF_KIND = {table.name: table for table in tables_of("paraphrase")}

MADE = {
    "platform": "Linux x86_64",
    "processor": "A Processor @ 2 GHz",
    "hardware": "2 CPU threads",
    "device": "cpu",
    "threads": 2,
    "python": "3.11.7",
    "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
    "engine": "stacked",
}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = write_run(
        tmp_path_factory.mktemp("runs"),
        n_tasks=2,
        n_prompts=6,
        noise_seeds=(7, 8),
        truth=Truth(rounding=0.1),
    )
    say_made(path, **MADE)
    return path


@pytest.fixture
def again(original, tmp_path):
    """A copy to be changed, under another id."""
    return shutil.copytree(original, tmp_path / "synthetic-00000000")


def rewrite(path, name, change):
    """Change one table of a run, in place or by what `change` gives back."""
    frame = open_run(path).table(name)
    found = change(frame)
    file = path / "tables" / name / "all.parquet"
    (frame if found is None else found).to_parquet(file, index=False)


def say_made(path, **provenance):
    known = json.loads((path / "provenance.json").read_text())
    layout.write_json(path / "provenance.json", {**known, **provenance})


def compare(original, again):
    """Terms and tables; the report that estimates come from takes seconds."""
    run, other = open_run(original), open_run(again)
    terms, because = terms_of(run, other)
    differences = compare_tables(run, other, terms)
    return Reproduction(run.run_id, other.run_id, terms, because, differences, [])


def failing(found):
    return {(d.table, d.column) for d in found.differences if not d.holds}


def test_a_copy_is_equal_and_every_column_was_compared(original, again):
    found = compare(original, again)
    assert found.holds and found.failures == []
    assert (found.terms, found.because) == ("equal", [])
    compared = [(d.table, d.column) for d in found.differences]
    expected = {
        (name, column)
        for name, table in OF_KIND.items()
        for column in [ROWS, *table.schema.names]
        if name != "costs" and column not in table.keys
    }
    assert len(compared) == len(expected) and set(compared) == expected
    for d in found.differences:
        assert d.asked == "equal" and d.n_differing == d.n_failing == 0 and d.where == ""
        assert d.n == len(open_run(original).table(d.table))
        assert np.isnan(d.largest) or d.largest == 0


def test_costs_may_differ(original, again):
    rewrite(again, "costs", lambda costs: costs.assign(seconds=99.0))
    assert compare(original, again).holds


CHANGES = {
    "a score": ("scores", "value", 1e-9),
    "a trial's loss": ("scores", "loss", 1e-12),
    "an indicator": ("indicators", "value", 1e-12),
    "a candidate's loss": ("candidate_losses", "nll_sum", 1e-12),
    "a point of a curve": ("curves", "value", 1e-12),
    "the loss of an output": ("predictions", "loss", 1e-12),
}


@pytest.mark.parametrize("what", CHANGES)
def test_on_the_same_machine_the_smallest_change_is_found(original, again, what):
    table, column, by = CHANGES[what]
    number = len(open_run(again).table(table)) // 2

    def change(frame):
        frame.loc[number, column] += by * max(1.0, abs(frame.loc[number, column]))

    rewrite(again, table, change)
    found = compare(original, again)
    assert not found.holds and failing(found) == {(table, column)}
    (difference,) = [d for d in found.differences if (d.table, d.column) == (table, column)]
    row = open_run(original).table(table).iloc[number]
    changed = open_run(again).table(table).iloc[number]
    assert difference.n_failing == difference.n_differing == 1
    assert difference.largest == abs(changed[column] - row[column]) > 0
    larger = max(abs(changed[column]), abs(row[column]))
    assert difference.relative == pytest.approx(difference.largest / larger)
    for key in TABLES[table].keys:
        if not pd.isna(row[key]):
            assert f"{key} {row[key]}" in difference.where
    assert f"{table}.{column}: 1 of " in found.failures[0]


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("predictions", "output", "another answer"),
        ("predictions", "correct", None),
        ("scores", "role", "current"),
        ("scores", "metric", "rouge_l"),
        ("prompts", "text", "Another text."),
        ("prompts", "frequency", None),
        ("trials", "status", "diverged"),
        ("states", "learned", ["past-0", "past-0"]),
    ],
)
def test_a_changed_word_is_found_on_any_machine(original, again, table, column, value):
    def change(frame):
        i = frame[column].last_valid_index()
        turned = column == "correct"
        frame.at[i, column] = not frame.at[i, column] if turned else value

    rewrite(again, table, change)
    assert failing(compare(original, again)) == {(table, column)}
    say_made(again, processor="Another")
    elsewhere = compare(original, again)
    assert elsewhere.terms == "elsewhere"
    # What a model wrote is its own; what it was asked is not.
    assert failing(elsewhere) == (set() if table == "predictions" else {(table, column)})


def test_a_run_continued_with_other_packages_was_made_elsewhere(original, again):
    newer = {**MADE, "packages": {**MADE["packages"], "torch": "2.14.0"}}
    say_made(again, sessions=[{"started": "…"}, MADE, MADE])  # the first as older runs recorded it
    assert compare(original, again).terms == "equal"
    say_made(again, sessions=[MADE, newer])
    found = compare(original, again)
    assert found.terms == "elsewhere"
    assert found.because == ["synthetic-00000000 was continued under other conditions: packages"]


@pytest.mark.parametrize("processor", [MADE["processor"], "Another"])
def test_a_missing_trial_is_found(original, again, processor):
    trials = open_run(again).table("trials")
    gone = trials[trials["purpose"] == "noise"]["trial_id"].iloc[0]
    for name in ("trials", "scores", "curves", "predictions"):
        rewrite(again, name, lambda frame: frame[frame["trial_id"] != gone])
    say_made(again, processor=processor)
    for found in (compare(original, again), compare(again, original)):
        assert failing(found) == {
            (name, ROWS) for name in ("trials", "scores", "curves", "predictions")
        }
        (rows,) = [d for d in found.differences if (d.table, d.column) == ("trials", ROWS)]
        assert rows.n_failing == 1 and gone in rows.where and rows.n == len(trials)


def test_a_row_that_is_there_twice_is_found(original, again):
    rewrite(again, "curves", lambda frame: pd.concat([frame, frame.iloc[-1:]]))
    found = compare(original, again)
    assert failing(found) == {("curves", ROWS)}
    assert "twice" in found.failures[0]


def shift_losses(path, factor, where):
    """Move the losses of states and the pre-update losses by a factor."""

    def scores(frame):
        frame.loc[frame["trial_id"].isna() & where(frame), "loss"] *= factor

    def indicators(frame):
        frame.loc[frame["name"].str.startswith("pre_update") & where(frame), "value"] *= factor

    rewrite(path, "scores", scores)
    rewrite(path, "indicators", indicators)


def base(frame):
    return frame["state_id"] == "theta-0"


def test_elsewhere_the_losses_of_the_base_model_may_differ_by_rounding_alone(original, again):
    say_made(again, processor="Another")
    shift_losses(again, 1 + 0.9e-5, base)
    found = compare(original, again)
    assert found.terms == "elsewhere"
    assert found.because == ["processor: A Processor @ 2 GHz and Another"]
    assert found.holds
    (loss,) = [
        d
        for d in found.differences
        if (d.table, d.column, d.asked) == ("scores", "loss", "rounding")
    ]
    assert loss.n_differing == loss.n > 0
    assert loss.relative == pytest.approx(0.9e-5, rel=1e-3)
    shift_losses(again, 1 + 0.9e-5, base)
    found = compare(original, again)
    assert failing(found) == {("scores", "loss")}
    assert "state_id theta-0" in found.failures[0]


def test_a_state_learned_elsewhere_is_another_one_and_beside_other_stacks_the_same(original, again):
    shift_losses(again, 1.001, lambda frame: ~base(frame))
    say_made(again, processor="Another")
    elsewhere = compare(original, again)
    assert elsewhere.terms == "elsewhere" and elsewhere.holds
    say_made(again, processor=MADE["processor"])
    rewrite(again, "trials", lambda frame: frame.assign(chunk=3))
    stacks = compare(original, again)
    assert stacks.terms == "other stacks"
    n = len(open_run(again).table("trials"))
    assert stacks.because == [f"{n} trials were made in other stacks"]
    assert failing(stacks) == {("scores", "loss"), ("indicators", "value")}


def test_beside_other_stacks_only_losses_before_the_update_are_asked_anything(original, again):
    rewrite(again, "trials", lambda frame: frame.assign(chunk=3))

    def scores(frame):
        trials = frame["trial_id"].notna()
        frame.loc[trials, "loss"] += 0.1
        frame["value"] += 0.1

    rewrite(again, "scores", scores)
    rewrite(again, "curves", lambda frame: frame.assign(value=0.5))
    rewrite(again, "predictions", lambda frame: frame.assign(output="", loss=1.0, correct=False))

    def indicators(frame):
        frame.loc[~frame["name"].str.startswith("pre_update_loss"), "value"] += 1.0

    rewrite(again, "indicators", indicators)
    found = compare(original, again)
    assert found.holds
    shown = {(d.table, d.column): d for d in found.differences if d.asked == "nothing"}
    for key in (("scores", "loss"), ("scores", "value"), ("indicators", "value")):
        assert shown[key].n_differing == shown[key].n > 0 == shown[key].n_failing
    (asked,) = [d for d in found.differences if d.table == "indicators" and d.asked == "rounding"]
    names = open_run(original).table("indicators")["name"]
    assert asked.n == names.str.startswith("pre_update_loss").sum() < len(names)


def test_trials_taken_over_make_other_stacks(original, again):
    say_made(again, reused=[{"run": "other-11111111", "trials": 3}])
    for found in (compare(original, again), compare(again, original)):
        assert found.terms == "other stacks" and found.holds
        assert found.because == ["synthetic-00000000 took trials over from other-11111111"]


@pytest.mark.parametrize("key", MADE)
def test_whatever_decides_the_digits_decides_what_is_asked(original, again, key):
    say_made(again, **{key: {"torch": "2.14.0"} if key == "packages" else "other"})
    terms, because = terms_of(open_run(original), open_run(again))
    assert terms == "elsewhere" and len(because) == 1 and because[0].startswith(f"{key}: ")
    if key == "packages":
        assert because == ["packages: torch 2.13.0 and 2.14.0, numpy 2.4.6 and None"]
    say_made(again, **{key: None})
    assert terms_of(open_run(original), open_run(again)) == (
        "elsewhere",
        [f"{key} was not recorded"],
    )


def test_estimates_have_to_lie_inside_the_first_runs_intervals(original, again):
    """Losses after training are asked nothing elsewhere, but what they say is."""
    say_made(again, processor="Another")

    def turn(frame):
        """Trials do the opposite of what they did to other tasks; past tasks all the same."""
        rows = frame["trial_id"].notna() & (frame["role"] != "current")
        frame.loc[rows, "value"] = 100 - frame.loc[rows, "value"]
        frame.loc[rows & (frame["role"] == "past"), "value"] = 50.0

    rewrite(again, "scores", turn)
    found = compare_runs(open_run(original), open_run(again))
    assert not found.holds and not failing(found) and len(found.failures) > 5
    document, turned = (report(open_run(path), n_permutations=0) for path in (original, again))
    named = {e.name: e for e in found.estimates}
    assert len(named) == len(found.estimates)  # no two of one name
    assert len(found.estimates) == str(document).count("'statistic': ")
    outside, inside, gone = [], [], []
    said = ("x", "y", "role", "task", "level", "scope", "statistic")
    others = {tuple(e[key] for key in said): e["value"] for e in turned["estimates"]}
    for one in document["estimates"]:
        key = tuple(one[key] for key in said)
        match = named[", ".join(["estimates", *filter(None, key)])]
        other = others.get(key)
        assert match.value == one["value"]
        assert match.again == other or (np.isnan(match.again) and other is None)
        assert match.asked == (one["lower"] is not None)
        if not match.asked:
            assert match.holds
        elif other is None:
            gone.append(match)
        else:
            holds = one["lower"] <= other <= one["upper"]
            (inside if holds else outside).append(match)
    assert all(e.holds for e in inside) and not any(e.holds for e in (*outside, *gone))
    assert inside and outside and gone
    verdicts = [e for e in found.estimates if e.name.startswith("verdicts, claim claim_")]
    assert len(verdicts) == len(document["verdicts"]) > 0
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == found.to_dict()


def test_of_equal_tables_estimates_are_shown_and_asked_nothing(original, again):
    found = compare_estimates(open_run(original), open_run(again), asked=False)
    assert len(found) > 20 and not any(e.asked for e in found)
    assert all(e.again == e.value or np.isnan([e.again, e.value]).all() for e in found)


def test_runs_of_other_specs_or_not_done_are_refused(original, tmp_path):
    other = write_run(tmp_path, n_tasks=1, n_prompts=6, noise_seeds=(7, 8))
    with pytest.raises(InputError, match=r"different specs \(current: .*own spec.json"):
        compare_runs(open_run(original), open_run(other))
    half = write_run(tmp_path, n_tasks=2, n_prompts=6, noise_seeds=(7, 8), finish=False)
    for pair in ((original, half), (half, original)):
        with pytest.raises(InputError, match="is interrupted.*sapo resume"):
            compare_runs(*map(open_run, pair))


def test_losses_are_the_same_within_a_hundred_thousandth():
    assert is_same_loss(2.0, 2.0 + 1.9e-5) and not is_same_loss(2.0, 2.0 + 2.1e-5)
    assert is_same_loss(2.0 + 1.9e-5, 2.0)
    # Below 0.1 nats the rounding of a log-probability does not shrink any further.
    assert is_same_loss(4e-5, 4e-5 + 0.9e-6) and not is_same_loss(4e-5, 4e-5 + 1.1e-6)
    assert not is_same_loss(float("nan"), 1.0) and not is_same_loss(1.0, float("nan"))
    assert allowed_difference([1.0, 0.0], [2.0, 0.0]) == pytest.approx([2e-5, 1e-6])
