"""`sapo report` of runs with diagnostics: the format, the gradients, demonstrations."""

import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.methods_compared import along, format_rise, method_table
from sapo_analysis.cli.along import along_blocks
from sapo_analysis.cli.markdown import markdown
from sapo_analysis.cli.sequences import blocks
from sapo_analysis.store import open_run
from tests.methods_runs import write_promot, write_prompt_tuning, write_sequence
from tests.synthetic import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return open_run(write_promot(tmp_path_factory.mktemp("along"), n_tasks=4, n_prompts=2))


def test_the_rise_the_floor_and_the_gradients_are_told(run):
    found = along(run)
    (rise,) = found["format_rise"]
    (expected,) = format_rise(run).to_dict("records")
    assert rise["value"] == pytest.approx(expected["value"])
    assert rise["floor"] == pytest.approx(0.05)
    assert rise["lower"] is None  # nan is no JSON
    (row,) = found["gradient_alignment"]
    seen = run.table("diagnostics").query("name == 'gradient_alignment'")
    means = seen.groupby("step")["value"].mean()
    assert (row["before"], row["after"]) == pytest.approx((means.iloc[0], means.iloc[-1]))
    table = method_table(run).query("tuned_task == ''")
    shots = [one["tuned_score_original"] for one in found["n_shots"]]
    assert shots == pytest.approx(table["tuned_score_original"].tolist())
    said, gradients, by_shots = along_blocks(found)
    assert list(said.rows[0]) == ["ProMoT", "0.10 → 0.30", "+0.20", "–", "unclear", "0.05"]
    assert "n = 4 tuned tasks × 2 prompts × 2 seeds." in said.note
    assert "2 modules" in gradients.note and len(by_shots.rows) == 4


def test_markdown_has_the_same_and_only_where_it_was_measured(run, tmp_path):
    report = analysis.report(run, n_permutations=0)
    text = markdown({**report, **along(run)})
    assert "| ProMoT | 0.10 → 0.30 | +0.20 | – | unclear | 0.05 |" in text
    assert "Format ratio" not in markdown(report)
    assert along(open_run(write_run(tmp_path, n_tasks=1, n_prompts=2))) == {}


def test_sequences_have_a_row_per_strategy(tmp_path):
    chains = open_run(write_sequence(tmp_path))
    found = {**analysis.sequence_report(chains), **along(chains)}
    titles = [block.title for block in blocks(found)]
    assert titles[-2:] == ["Format ratio along the fine-tune", "Scores by number of demonstrations"]
    assert len(found["format_rise"]) == 4 and "gradient_alignment" not in found


def test_soft_prompts_have_their_change_and_what_it_goes_with(tmp_path):
    small = {"n_tasks": 1, "n_prompts": 4, "seeds": (0,), "n_shots": (0,)}
    run = open_run(write_prompt_tuning(tmp_path, **small))
    found = along(run)
    change, goes_with = along_blocks(found)[-2:]
    # A square of side 1 at the start; its end is in what was looked at.
    seen = run.table("diagnostics").query("name == 'h0_persistence' and step == 50")["value"].mean()
    assert change.rows[0] == [
        *("prompt tuning", "total H0 persistence", f"3.000 → {seen:.3f}", f"+{seen - 3:.3f}", "–")
    ]
    assert "n = 1 tuned task × 4 prompts × 1 seed" in change.note
    assert goes_with.rows[0][2] == "final in-task score (current)"
    assert len(goes_with.rows) == 12 and "95 % for these tasks" in goes_with.note
