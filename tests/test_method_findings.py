"""What README and FINDINGS say of the studies of methods, held to their runs."""

import pytest

from sapo_analysis.analysis import methods_compared
from sapo_analysis.analysis.wording import signed
from tests.method_findings import (
    OUTCOMES,
    blocks,
    format_runs,
    sequence_runs,
    side_by_side_runs,
    spreads_over_prompt_tuning,
)
from tests.test_shipped_run import ALL, FINDINGS, OF_METHODS, README

pytestmark = pytest.mark.slow
SAID = " ".join(README.split())


@pytest.fixture(scope="module")
def quoted():
    return blocks()


def test_every_shipped_run_of_methods_is_told_of():
    named = [run.run_id for run in ALL if run.study.name.startswith(OF_METHODS)]
    told = (*format_runs(), *sequence_runs(), *side_by_side_runs())
    assert named == sorted(run.run_id for run in told)
    assert all(run_id in FINDINGS for run_id in named)


def test_its_tables_are_quoted(quoted):
    assert len(quoted) == 8
    for block in quoted:
        assert block in FINDINGS, block.splitlines()[0]


def test_stage_1_leaves_other_tasks_to_the_last_answer_as_they_were():
    promot = format_runs()[1]
    looks = promot.table("diagnostics")
    stage_1 = looks[looks["step"] <= promot.study.promot.steps]
    for name in ("format_ratio", "other_score"):
        own = stage_1[stage_1["name"] == name]
        assert len(own["step"].unique()) == 6
        assert (own.groupby(["trial_id", "subject"])["value"].nunique() == 1).all()


def test_alignments_fall_as_findings_says():
    found = methods_compared.alignment_curves(format_runs()[0])
    ends = [found[found["step"] == step]["value"] for step in (0, 100)]
    first, last = ((signed(own.min()), signed(own.max())) for own in ends)
    said = (
        f"falls under `full` from between {first[0]} and {first[1]} to between {last[0]} and"
        f" {last[1]}"
    )
    assert said in " ".join(FINDINGS.split())


def test_the_readme_gives_the_rise_and_the_differences():
    rise = methods_compared.format_rise(format_runs()).set_index("name")
    full = rise.loc["full"]
    assert full["verdict"] == "supported"
    assert (
        f"from {100 * full['before']:.0f} to {100 * full['after']:.0f} % (difference"
        f" {100 * full['lower']:+.0f} to {100 * full['upper']:+.0f} points"
    ) in SAID
    found = methods_compared.paired_difference(format_runs(), "full").set_index("outcome")
    assert set(found["verdict"]) == {"unclear"}
    for outcome, factor in (
        ("format_ratio", 100),
        ("forgetting_retained", 1),
        ("tuned_score", 1),
    ):
        row = factor * found.loc[outcome, ["value", "lower", "upper"]].astype(float)
        said = f"{signed(row['value'], 1)} ({signed(row['lower'], 1)} to {signed(row['upper'], 1)})"
        assert said in SAID, outcome


def test_the_readme_gives_average_performance_of_sapo_and_promot():
    found = methods_compared.paired_difference(sequence_runs(), "original+lora")
    for row in found[found["outcome"] == "ap"].to_dict("records"):
        said = (
            f"`{row['name']}` {signed(row['value'], 1)}"
            f" ({signed(row['lower'], 1)} to {signed(row['upper'], 1)}, {row['verdict']})"
        )
        assert said in SAID, row["name"]
    forgetting = found[found["outcome"] == "forgetting_past"].set_index("name")
    row = forgetting.loc["original+promot"]
    assert row["verdict"] == "better"
    said = f"less, by {-row['value']:.1f} points ({-row['upper']:.1f} to {-row['lower']:.1f})"
    assert said in SAID


def test_soft_prompts_had_not_learned_as_findings_says():
    run = side_by_side_runs()[3]
    assert run.study.method == "prompt-tuning"
    scores = run.table("scores")
    base = scores[scores["trial_id"].isna() & scores["eval_task"].isin(run.study.current)]
    said = f"from {base['value'].mean():.1f} before the first step"
    assert said in " ".join(FINDINGS.split())


def test_no_spread_of_ptp_lies_below_that_of_prompt_tuning():
    found = spreads_over_prompt_tuning(side_by_side_runs())
    assert all(one.lower < 1 < one.upper for name, one in found.items() if name.startswith("ptp-"))


def test_readme_says_what_twelve_methods_came_to():
    found = methods_compared.paired_difference(side_by_side_runs(), "prompt-tuning")
    own = found[found["outcome"].isin(list(OUTCOMES))].set_index(["name", "outcome"])
    of_ideas = own[[name != "lora" for name, _ in own.index]]
    clear = of_ideas[of_ideas["verdict"] != "unclear"]
    assert len(of_ideas) == 30 and len(clear) == 2
    told = [f"{-v:.1f}" for v in clear[["value", "upper", "lower"]].to_numpy().ravel()]
    first, second = told[:3], told[3:]
    assert list(clear.index) == [
        ("tsloss", "forgetting_retained"),
        ("tsloss-h0", "forgetting_retained"),
    ]
    lora = own.loc["lora", "tuned_score"]
    for text in (
        f"({lora['of_reference']:.1f} on the tuned tasks under prompt tuning,"
        f" {lora['own']:.1f} under LoRA)",
        f"forgets {first[0]} points less on retained tasks ({first[1]} to {first[2]})",
        f"its connectivity term alone {second[0]} ({second[1]} to {second[2]})",
    ):
        assert text in SAID, text
