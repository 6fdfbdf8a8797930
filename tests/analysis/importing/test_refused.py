"""Tables that are refused: what each is told, by row, and that nothing is written."""

import re

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis.importing import import_results
from sapo_analysis.errors import InputError

ENDS = ["score_before", "score_after", "loss_before", "loss_after"]


def refusal(source, tmp_path, **given):
    with pytest.raises(InputError) as error:
        import_results(source, tmp_path / "runs", **given)
    assert not (tmp_path / "runs").exists()
    return str(error.value)


def at(rows, column, value):
    """A spoiler: these rows (0 is the first below the header) hold a value."""

    def spoil(table):
        kind = "object" if isinstance(value, str) else table[column].dtype
        table = table.astype({column: kind})
        table.loc[rows, column] = value
        return table

    return spoil


def without(*columns):
    return lambda table: table.drop(columns=list(columns))


def renamed(**names):
    return lambda table: table.rename(columns=names)


HEADERS = {
    "missing columns": (without("role", "seed"), r"Missing columns: seed, role\."),
    "no scores": (
        without("score_before", "score_change"),
        r"Missing columns: score_before \(score_change would do in place",
    ),
    "nearest known": (
        renamed(prompt_id="promt_id"),
        r"Unknown column 'promt_id', which does not hold numbers alone\. Did you mean 'prompt_id'",
    ),
    "case": (renamed(role="Role"), r"Unknown column 'Role'.* Did you mean 'role'"),
    "a slip in numbers": (
        lambda t: t.drop(columns="score_change").rename(columns={"score_after": "score_aftr"}),
        r"Unknown column 'score_aftr'\. Did you mean 'score_after'\? For an indicator choose",
    ),
    "unknown text": (
        lambda t: t.assign(comment="fine"),
        r"Unknown column 'comment', which does not hold",
    ),
    "an odd indicator": (lambda t: t.assign(**{"p(x)": 1.0}), r"'p\(x\)' cannot be an indicator"),
    "a taken name": (lambda t: t.assign(unit=1.0), r"Column 'unit' cannot be an indicator"),
    "source alone": (lambda t: t.assign(source="mine"), r"'source' needs 'prompt_text'"),
    "twice": (
        lambda t: pd.concat([t, t[["seed"]]], axis=1),
        r"Column 'seed' is there twice\. Leave one out",
    ),
    "no name": (lambda t: t.assign(**{" ": 1.0}), r"Column 33 has no name"),
    "header only": (lambda t: t.head(0), r"has no rows below its header"),
}
CELLS = {
    "a truth for a number": (
        lambda t: t.assign(score_after=True),
        r"score_after holds ('True', which is no number|bool, not numbers)",
    ),
    "a missing score": (
        at([3, 5], "score_after", np.nan),
        r"Column score_after has no value, and a missing score never becomes a zero \(the first:"
        r" current-0, .*, seed 0, on .*\): 2 rows, 5, 7\.",
    ),
    "many missing scores": (
        at(range(30), "loss_before", np.nan),
        r"30 rows, 2, 3, .*, 21 and 10 more\.",
    ),
    "a missing name": (at([0], "prompt_id", None), r"Column prompt_id has no value: row 2\."),
    "a missing seed": (
        lambda t: t.astype({"seed": "Int64"}).pipe(at([1], "seed", pd.NA)),
        r"Column seed has no value: row 3",
    ),
    "a trial_id in some rows": (
        at([2], "trial_id", None),
        r"Column trial_id has a value in other rows alone: row 4",
    ),
    "a wrong role": (
        at([1], "role", "Past"),
        r"Column role holds 'Past', not current or past or unseen or retained: row 3",
    ),
    "a wrong purpose": (at([1, 2], "purpose", "test"), r"purpose holds 'test', not main or noise"),
    "a word for a number": (
        at([4], "score_after", "high"),
        r"Column score_after holds 'high', which is no number: row 6",
    ),
    "decimal commas": (
        at([4], "loss_after", "0,5"),
        r"holds '0,5', which is no number\. Write decimals with a point: row 6",
    ),
    "an underscore": (at([0], "score_after", "1_0"), r"holds '1_0', which is no number"),
    "a formula": (at([0], "score_after", "=1+1"), r"holds '=1\+1', which is no number"),
    "infinity in text": (at([0], "loss_after", "inf"), r"holds 'inf', which is no number"),
    "a huge number": (at([0], "loss_after", "1e999"), r"loss_after holds an infinite number"),
    "infinity": (
        at([0], "loss_after", np.inf),
        r"loss_after holds (an infinite number|'inf', .*): row 2",
    ),
    "a number that cannot be squared": (
        at([2], "loss_after", 1e200),
        r"Column loss_after holds 1e\+200, too large or too small to be squared: row 4",
    ),
    "a number whose square is none": (
        at([0], "pre_update_loss", 2e-90),
        r"Column pre_update_loss holds 2e-90, too large or too small to be squared: row 2",
    ),
    "half a seed": (
        lambda t: t.astype({"seed": float}).pipe(at([0], "seed", 0.5)),
        r"Column seed holds 0\.5, not a whole number from 0: row 2",
    ),
    "a negative seed": (at([0], "seed", -1), r"Column seed holds -1, not a whole number"),
    "a bar in a name": (at([0], "eval_task", "a|b"), r"eval_task holds a line break, .* or \|"),
    "an escape in a name": (at([0], "prompt_id", "\x1b[2J"), r"a control character"),
    "a long name": (at([0], "prompt_id", "x" * 201), r"a name of more than 200 characters"),
}
ROWS = {
    "a score above 100": (at([0], "score_after", 100.5), r"score_after is not between 0 and 100"),
    "a negative score": (at([0], "score_before", -1.0), r"score_before is not between 0 and 100"),
    "a negative loss": (at([0], "loss_after", -0.1), r"loss_after is negative"),
    "no pre-update loss": (at([0], "pre_update_loss", 0.0), r"pre_update_loss is not above 0"),
    "fractions for points": (
        lambda t: t.assign(score_before=0.25, score_after=0.5),
        r"All scores lie between 0 and 1\. They are points of 0 to 100: multiply by 100",
    ),
    "current elsewhere": (
        lambda t: t.assign(role="current"),
        r"Role is current, though eval_task is not current_task",
    ),
    "not current here": (
        lambda t: t.assign(role="unseen"),
        r"Role is not current, though eval_task is current_task",
    ),
    "noise alone": (lambda t: t.assign(purpose="noise"), r"No row is of purpose main"),
    "rows twice": (
        lambda t: pd.concat([t, t.head(1)], ignore_index=True),
        r"The same trial_id and eval_task are there twice: 2 rows, 2, 194\.",
    ),
    "trials twice": (
        lambda t: pd.concat(
            [t, t[t["trial_id"] == t["trial_id"][0]].assign(trial_id="other")], ignore_index=True
        ),
        r"Several trials have the same current_task, prompt_id, state_seed, seed and purpose",
    ),
    "one trial, two prompts": (
        at([0], "prompt_id", "para-03"),
        r"One trial_id has several values of prompt_id: 8 rows, 2, 3",
    ),
    "two losses before one update": (
        at([0], "pre_update_loss", 9.0),
        r"Pre-update loss differs within one state, current_task and prompt_id",
    ),
    "an indicator that is none": (
        lambda t: t.assign(seconds=range(len(t))),
        r"Column seconds differs within one trial: what is not known before the update",
    ),
    "two wordings of one prompt": (
        lambda t: t.assign(prompt_text=t["eval_task"]),
        r"One prompt has several values of prompt_text",
    ),
    "a row that is not there": (
        lambda t: t.drop(index=[1]),
        r"1 main trial of current-0 lack rows that others have: .* The first, prompt .*, seed 0,"
        r" has none for ",
    ),
    "a change that contradicts": (
        at([2], "score_change", 55.5),
        r"Column score_change is not what follows from before, after and role: row 4",
    ),
    "a wrong sign": (
        lambda t: t.assign(forgetting=-t["forgetting"]),
        r"Column forgetting is not what follows from before, after and role",
    ),
    "forgetting of the task learned": (
        lambda t: t.assign(forgetting_loss=1.0),
        r"Column forgetting_loss is not what follows",
    ),
}


@pytest.mark.parametrize("kind", ["csv", "frame"])
@pytest.mark.parametrize("name", [*HEADERS, *CELLS, *ROWS])
def test_a_spoiled_table_is_refused_with_its_rows(table, tmp_path, name, kind):
    spoil, says = {**HEADERS, **CELLS, **ROWS}[name]
    if name not in ("a change that contradicts", "a wrong sign", "forgetting of the task learned"):
        table = table.drop(columns=[c for c in table if re.match("forg|gener|learn|impact", c)])
        table = table if name in HEADERS else table.drop(columns=["score_change", "loss_change"])
    table = spoil(table)
    if kind == "csv":
        said = refusal(table.to_csv(index=False).encode(), tmp_path, file="mine.csv")
        assert said.startswith("'mine.csv' is not imported, nothing was written.\n  - ")
    else:
        texts = table.columns[table.dtypes == "object"]
        said = refusal(table.astype(dict.fromkeys(texts, "str")), tmp_path)
    assert re.search(says.replace("Column 33", r"Column \d+"), said), said


def test_a_delimiter_that_is_not_known(table, tmp_path):
    said = refusal(table.to_csv(sep="|", index=False).encode(), tmp_path)
    assert "only one column. Part columns by commas, semicolons or tabs" in said
    assert max(map(len, said.splitlines())) < 300


def test_a_blank_row(table, tmp_path):
    lines = table.to_csv(index=False).splitlines()
    said = refusal("\n".join([*lines[:3], "", *lines[3:]]).encode(), tmp_path)
    assert "Column role has no value: row 4." in said and "nan" not in said


def test_all_problems_of_a_kind_are_said_at_once(table, tmp_path):
    table.loc[[0], "role"] = "later"
    table.loc[[1], "score_after"] = np.nan
    said = refusal(table, tmp_path).splitlines()
    assert len(said) == 3 and "score_after" in said[1] and "role" in said[2]


def test_a_cell_that_is_no_number_is_not_called_missing_too(table, tmp_path):
    content = table.to_csv(index=False).replace(str(table["score_after"][0]), "n.a.").encode()
    said = refusal(content, tmp_path)
    assert "holds 'n.a.', which is no number" in said and "has no value" not in said


def test_rounding_is_no_contradiction(table, tmp_path):
    numbers = table.select_dtypes("float").columns
    table[numbers] = table[numbers].round(2)
    table[["loss_change", "forgetting_loss"]] = table[["loss_change", "forgetting_loss"]].round(2)
    columns = ["score_change", "forgetting", "generalization", "learning", "impact"]
    import_results(
        table[
            [c for c in table if not c.endswith("_loss") or c in columns] + ["pre_update_loss"]
        ].drop(columns="loss_change"),
        tmp_path,
    )


@pytest.mark.parametrize("odd", [None, 3, ["a"], {"a": [1]}])
def test_what_is_no_table(tmp_path, odd):
    assert "is needed, got" in refusal(odd, tmp_path)


def test_columns_of_several_kinds(table, tmp_path):
    mixed = table.astype({"role": object})
    mixed.loc[0, "role"] = 3
    assert "Column 'role' holds values of several kinds" in refusal(mixed, tmp_path)
    listed = table.assign(prompt_id=[["a"]] * len(table))
    assert "not text" in refusal(listed, tmp_path)
    dated = table.assign(score_after=pd.Timestamp("2020-01-01"))
    assert "not numbers" in refusal(dated, tmp_path)
