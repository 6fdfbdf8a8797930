"""ProMoT's published numbers: the rows are those of the paper, and their averages come out."""

from pathlib import Path

import pandas as pd
import pytest

from sapo_analysis.analysis.methods_compared.published import (
    _FILE,
    MARK,
    PUBLISHED_METHODS,
    normalized_average,
    published,
    published_averages,
)
from sapo_analysis.errors import InputError

SHARED = Path(__file__).resolve().parents[4] / "shared" / "promot_tables.csv"


def of_table(number, n_shots=1):
    found = published_averages(n_shots)
    own = found[found["table"] == number].set_index("method")
    return own.loc[[m for m in PUBLISHED_METHODS if m in own.index], "normalized_average"]


@pytest.mark.parametrize(
    ("number", "printed"),
    # As the paper prints them: pretrained, fine-tuning, ProMoT, ProMoT+1-shot.
    [(3, [17.52, 15.43, 20.10, 22.26]), (4, [17.52, 9.15, 18.87, 19.91])],
)
def test_the_papers_one_shot_averages_come_out_of_its_rows(number, printed):
    # 19.915 is printed as 19.91: half a unit of the last digit either way.
    assert of_table(number).tolist() == pytest.approx(printed, abs=0.005001)


def test_differences_are_to_the_pretrained_model():
    found = published_averages().query("table == 4").set_index("method")
    assert found.loc["pretrained", "to_base"] == 0
    assert found.loc["fine-tuning", "to_base"] == pytest.approx(9.15 - 17.52, abs=0.01)
    assert set(found["n_tasks"]) == {8}


def test_rows_are_whole_and_marked_as_others():
    rows = published()
    assert len(rows) == 2 * 8 * 2 * 4 and rows.notna().all().all()
    assert not rows.duplicated(["table", "eval_task", "n_shots", "method"]).any()
    assert rows["score"].between(0, 100).all() and set(rows["method"]) == set(PUBLISHED_METHODS)
    assert "other models" in MARK
    first = _FILE.read_text("utf-8").splitlines()[0]
    assert first.startswith("#") and "ICLR 2024" in first and "other models" in first


@pytest.mark.skipif(not SHARED.exists(), reason="the reference tables are not beside the project")
def test_rows_are_those_of_the_reference_tables():
    assert published().equals(pd.read_csv(SHARED))


def test_nobody_can_change_what_the_next_one_reads():
    mine = published()
    mine["score"] = 0.0
    assert published()["score"].max() > 80


def test_what_is_no_score_is_refused():
    with pytest.raises(InputError, match="no score to average"):
        normalized_average([])
    with pytest.raises(InputError, match="A score is 100.5; .* 0 to 100"):
        normalized_average([50, 100.5])
    with pytest.raises(InputError, match="A score is nan"):
        normalized_average([float("nan")])
    with pytest.raises(InputError, match="number of demonstrations '2'.*1, 4"):
        published_averages(2)
