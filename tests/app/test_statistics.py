"""The Statistics page: every tab, on whole runs and on those that lack what it asks for."""

import json
import re
from dataclasses import replace

import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.between_tasks.structure import cross_task_structure
from sapo_analysis.analysis.confounding.confounders import confounders
from sapo_analysis.analysis.confounding.influence import influence, leave_one_out
from sapo_analysis.analysis.importing import import_results
from sapo_analysis.analysis.importing.columns import REQUIRED
from sapo_analysis.analysis.indicators.board import indicator_board
from sapo_analysis.analysis.levels.slopes import theil_sen
from sapo_analysis.analysis.next_study.pilot import Pilot
from sapo_analysis.analysis.next_study.planning import plan_study
from sapo_analysis.analysis.noise.claim_1_shares import claim_1_shares
from sapo_analysis.analysis.noise.components import variance_components
from sapo_analysis.analysis.noise.corrected import corrected_correlation
from sapo_analysis.analysis.read_out import payoff_sentence, structure_sentence, winner_sentence
from sapo_analysis.analysis.sentences import claim_sentences
from sapo_analysis.analysis.wording import signed
from sapo_analysis.analysis.worth.payoff import original_prompts, selection_value
from sapo_analysis.app import estimates
from sapo_analysis.app.components.statistics_tabs import TABS
from sapo_analysis.app.components.text import interval, with_interval
from sapo_analysis.store import open_run
from tests.app.opening import opened
from tests.app.test_explore import CHIP, charts, frame_with, html_of, text_of
from tests.synthetic import write_run
from tests.synthetic_sequence import write_sequence_run

pytestmark = pytest.mark.filterwarnings("default")
PAGE = "views/statistics.py"
STATISTICS = ("pearson", "spearman")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Four tasks, eight prompts, two seeds, noise trials."""
    folder = tmp_path_factory.mktemp("whole")
    return write_run(folder, n_tasks=4, n_prompts=8, seeds=(0, 1), noise_seeds=(7, 8), name="whole")


@pytest.fixture(scope="module")
def df(whole):
    return analysis.impacts(open_run(whole))


def _past_alone(path):
    """What may be imported: past tasks alone, and an indicator of one's own."""
    df = analysis.impacts(open_run(path))
    df = df[df["role"] == "past"].assign(mood=lambda t: t["pre_update_loss"] ** 2)
    ends = [f"{form}_{end}" for form in ("score", "loss") for end in ("before", "after")]
    return df[[*REQUIRED, *ends, "mood"]]


@pytest.fixture(scope="module")
def degenerate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("degenerate")
    lone = write_run(folder, n_tasks=1, n_prompts=6, seeds=(0, 1), name="one-task")
    return {
        "one-task": lone,
        "three-prompts": write_run(folder, n_tasks=3, n_prompts=3, name="three-prompts"),
        "imported": import_results(_past_alone(lone), folder, name="imported").path,
        "no-past": write_run(folder, n_tasks=2, n_prompts=5, n_past=0, n_unseen=0, name="no-past"),
    }


def shown(monkeypatch, path, part="Levels", **query):
    return opened(monkeypatch, path.parent, PAGE, study=path.name, part=part, **query)


def every_tab(app):
    """The same page with each tab open in turn, none of them without its question."""
    for part, tab in TABS.items():
        app.session_state["part"] = part
        app.run()
        assert not app.exception, app.exception[0].value
        assert tab.question in said(app)
        assert not app.error and not [w for w in app.warning if "link asks" in w.value]
        yield app


def said(app):
    return text_of(app).replace("**", "")


def test_levels_are_those_of_the_analysis(monkeypatch, whole, df):
    app = shown(monkeypatch, whole)
    of, scopes = {"y": "forgetting", "role": "past"}, ("new_tasks", "these_tasks")
    r = analysis.within_task_correlation
    found = [[r(df, **of, statistic=name, scope=scope) for scope in scopes] for name in STATISTICS]
    found.append([theil_sen(df, **of, scope=scope) for scope in scopes])
    within = frame_with(app, "measured")
    for row, (new, these) in zip(within.to_dict("records"), found, strict=True):
        assert row["measured"] == signed(new.value)
        assert row["new_interval"] == interval(new.lower, new.upper)
        assert row["these_interval"] == interval(these.lower, these.upper)
    each = analysis.task_correlations(df, **of, n_permutations=0)
    table = frame_with(app, "r_interval")
    assert list(table["current_task"]) == [e.task for e in each]
    assert list(table["r_interval"]) == [with_interval(e.value, e.lower, e.upper) for e in each]
    pooled = analysis.pooled_correlation(df, **of, n_permutations=0)
    assert f"Secondary: {analysis.sentence(pooled)}" in said(app)
    assert "n = 4 tasks × 8 prompts, each the mean over 2 seeds" in said(app)
    assert "Pearson r over prompts" in json.dumps(charts(app)[0]["layout"])
    for word in ("Kendall", "epeated-measures", "cluster", "omponent"):
        assert word not in said(app)


def test_every_claim_is_said_with_its_chips_and_warnings(monkeypatch, whole, df):
    app = shown(monkeypatch, whole, effect_form="Loss")
    verdicts = analysis.claims(df, n_permutations=0)
    for claim in claim_sentences(verdicts, df, open_run(whole)):
        assert claim.sentence in said(app)
        assert " ".join(claim.warnings) in said(app)
    mine = [v for v in verdicts if v.form == "loss"]
    assert html_of(app).count(CHIP) == len(mine) == 10
    other = [replace(v, verdict="contradicted") if v.form == "score" else v for v in verdicts]
    monkeypatch.setattr(estimates, "verdicts", lambda keys: other)
    assert ": contradicted</span>" not in html_of(shown(monkeypatch, whole, effect_form="Loss"))
    assert html_of(shown(monkeypatch, whole)).count(": contradicted</span>") == 10


def test_noise_is_that_of_the_analysis(monkeypatch, whole, df):
    app = shown(monkeypatch, whole, "Noise", effect="Forgetting retained", effect_form="Loss")
    shares = frame_with(app, "share_difference")
    assert list(shares["share_difference"]) == list(claim_1_shares(df)["difference"].map(signed))
    components = variance_components(df)
    loss = components[components["form"] == "loss"]
    over, tasks = [d.value for d in app.dataframe if "prompt_share" in d.value and len(d.value) > 1]
    mine = loss[loss["current_task"].isna()]
    assert list(over["sigma_prompt"]) == pytest.approx(list(mine["sigma_prompt"]))
    own = loss[loss["quantity"].eq("forgetting_loss") & loss["role"].eq("retained")].dropna(
        subset="current_task"
    )
    assert list(tasks["current_task"]) == list(own["current_task"])
    first = own.iloc[0]
    span = f"{first['reliability_lower']:.2f} to {first['reliability_upper']:.2f}"
    assert tasks["reliability"][0] == f"{first['reliability']:.2f} ({span})"
    beside = frame_with(app, "corrected_r").set_index("form")
    for form, y in (("score", "forgetting"), ("loss", "forgetting_loss")):
        one = corrected_correlation(df, y=y, role="retained")
        assert beside.loc[form, "corrected_r"] == with_interval(one.value, one.lower, one.upper)
        assert beside.loc[form, "raw_r"].startswith(signed(one.raw))
    band = analysis.noise_band(df, "forgetting_loss", "retained").pooled
    assert f"σ {band.sigma:.2g}, at most {band.sigma_upper:.2g} nats per token" in said(app)


def test_between_tasks_is_claim_2_taken_apart(monkeypatch, whole, df):
    app = shown(monkeypatch, whole, "Between tasks")
    found = cross_task_structure(df, "score")
    assert structure_sentence(found) in said(app)
    parts = frame_with(app, "part")
    three = [found.raw, found.prompt, found.seed]
    assert list(parts["measured"]) == [signed(part["new_tasks"].value) for part in three]
    assert parts["p_shuffled"][1] == f"{found.prompt['new_tasks'].p:.2g}"
    assert f"{signed(found.null_lower)} and {signed(found.null_upper)} in 95 %" in said(app)
    assert f"claim 2's r {signed(found.seed_alone)}" in said(app)
    tasks = frame_with(app, "n_others")
    assert list(tasks["seed_alone"]) == list(found.tasks["seed_alone"].map(signed))
    pairs = frame_with(app, "task_i")
    assert len(pairs) == len(found.pairs)
    assert pairs["pair_prompt"].is_monotonic_decreasing
    assert sorted(pairs["pair_r"]) == pytest.approx(sorted(found.pairs["r"]))


def test_indicators_are_those_of_the_board(monkeypatch, whole, df):
    app = shown(monkeypatch, whole, "Indicators", effect="Generalization")
    board = indicator_board(df, "generalization", "unseen")
    assert winner_sentence(board) in said(app)
    table = frame_with(app, "strength")
    assert list(table["r"]) == list(board.table["r"].map(signed))
    ends = board.table[["difference_lower", "difference_upper"]].to_numpy()
    assert table["over_named"][1].endswith(f"({interval(*ends[1])})")
    chosen = frame_with(app, "chosen_indicator")
    assert list(chosen["held_out_r"]) == list(board.winner.table["r"].map(signed))
    assert "strength of the best, on<br>tasks left out" in json.dumps(charts(app)[0]["layout"])


def test_what_else_differs_leads_to_the_points_behind_it(monkeypatch, whole, df):
    app = shown(monkeypatch, whole, "What else differs", effect_form="Loss")
    of = {"y": "forgetting_loss", "role": "past"}
    partial = frame_with(app, "partial_r")
    found = confounders(df, **of, n_permutations=0)
    new = [one for one in found if one.estimate.scope == "new_tasks"]
    assert list(partial["partial_r"]) == [signed(one.estimate.value) for one in new]
    assert [row == "descriptive" for row in partial["descriptive"]] == [o.descriptive for o in new]
    ranges = leave_one_out(df, **of)
    left = frame_with(app, "left_out")
    lowest = ranges.one_prompt.lowest
    assert left["lowest_r"][0] == signed(lowest.value)
    assert left["lowest_without"][0] == f"{lowest.prompt_id} of {lowest.current_task}"
    points = influence(df, **of).head(10)
    table = frame_with(app, "shift")
    assert list(table["prompt_id"]) == list(points["prompt_id"])
    assert list(table["shift"]) == list(points["shift"].map(signed))
    links = [link.proto.query_string for link in app.get("page_link")]
    behind = [link for link in links if "point=" in link]
    first = points.iloc[0]
    assert len(behind) == 10
    assert behind[0].endswith(f"point={first['current_task']}%7C{first['prompt_id']}")
    assert f"run={whole.name}&outcome=Forgetting+past&form=Loss" in behind[0]
    assert "kept no results along the way" in said(app)


def test_whether_the_rule_pays_is_said_first(monkeypatch, whole, df):
    app = shown(monkeypatch, whole, "Does the rule pay?")
    value = selection_value(df, role="past", original=original_prompts(open_run(whole)))
    assert payoff_sentence(value) in said(app)
    gains = frame_with(app, "against")
    assert list(gains["pick_gain"]) == list(value.contrasts["gain"].map(signed))
    each = frame_with(app, "pick_regret")
    assert list(each["pick_gain"]) == list(value.by_task["gain"].map(signed))
    measures = frame_with(app, "at_random").set_index("measure")
    assert measures.loc["hit rate", "measured"] == f"{value.hit_rate.value:.2f}"
    assert len(charts(app)) == 3


def test_the_planner_follows_the_link(monkeypatch, whole, df):
    app = shown(monkeypatch, whole, "Next study", half_width="0.3", power="0")
    plan = plan_study(Pilot.of(df, role="past"), half_width=0.3)
    assert plan.sentence in said(app)
    assert list(frame_with(app, "plan_trials")["plan_trials"]) == list(plan.designs["n_trials"])
    app.number_input(key="power").set_value(0.9).run()
    both = plan_study(Pilot.of(df, role="past"), half_width=0.3, power=0.9)
    assert both.sentence in said(app) and both.sentence != plan.sentence
    assert app.get("page_link")[-1].proto.query_string == f"from={whole.name}"
    app.number_input(key="power").set_value(0.0)
    app.number_input(key="half_width").set_value(0.0).run()
    assert "Say what is wanted" in said(app) and not app.dataframe


@pytest.mark.parametrize("name", ["one-task", "three-prompts", "no-past", "imported"])
def test_what_does_not_exist_is_a_dash_with_its_reason(monkeypatch, degenerate, name):
    for app in every_tab(shown(monkeypatch, degenerate[name])):
        for table in app.dataframe:
            assert table.proto.placeholder == "–"
            texts = table.value.drop(columns=table.value.select_dtypes("number").columns)
            assert "nan" not in texts.astype("string").fillna("–").to_numpy().ravel()
        assert not re.search(r"\bnan\b", said(app))


def test_reasons_are_in_words(monkeypatch, degenerate, runs):
    path = degenerate["three-prompts"]
    assert "3 prompts, at least 4 are needed" in said(shown(monkeypatch, path))
    assert "at least 4" in said(shown(monkeypatch, path, "Between tasks"))
    one_seed = said(shown(monkeypatch, runs["few"], "Between tasks"))
    assert "with one seed it cannot be told how much of that prompts make" in one_seed
    assert "With one seed there is no hindsight" in said(
        shown(monkeypatch, runs["few"], "Does the rule pay?")
    )
    noise = shown(monkeypatch, runs["few"], "Noise")
    assert "No shares can be compared" in said(noise)
    assert frame_with(noise, "corrected_r")["corrected_r"].tolist() == ["–", "–"]
    assert "one seed: prompts and seeds cannot be told apart" in said(noise)
    one = shown(monkeypatch, degenerate["one-task"])
    assert frame_with(one, "measured")["new_interval"].tolist() == ["–"] * 3
    assert "choose one of them above" in said(
        shown(monkeypatch, runs["few"], "Does the rule pay?", effect="In-task")
    )


@pytest.mark.parametrize("effect", ["In-task", "Generalization"])
def test_every_outcome_has_every_tab(monkeypatch, whole, effect):
    drawn = list(every_tab(shown(monkeypatch, whole, effect=effect, effect_form="Loss")))
    assert len(drawn) == 7


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("random", "random weights: no scientific meaning"),
        ("partial", "numbers will move, no verdict until it is done"),
    ],
)
def test_a_run_without_verdicts_has_numbers_and_says_why(monkeypatch, runs, name, reason):
    app = shown(monkeypatch, runs[name])
    assert reason in said(app)
    assert CHIP not in html_of(app)
    assert len(frame_with(app, "measured")) == 3
    hollow = [t for t in charts(app)[0]["data"] if "open" in str(t.get("marker", {}).get("symbol"))]
    assert bool(hollow) == (name == "partial")


def test_a_damaged_run_says_what_is_wrong(monkeypatch, runs):
    for name, says in (("damaged", "table scores"), ("no-spec", "spec.json")):
        app = shown(monkeypatch, runs[name])
        assert says in said(app) and "Other runs are unaffected" in said(app)


def test_no_runs_and_none_chosen(monkeypatch, tmp_path, whole):
    assert "No runs yet." in said(opened(monkeypatch, tmp_path, PAGE))
    app = shown(monkeypatch, whole)
    app.multiselect(key="study").set_value([]).run()
    assert "Choose at least one run" in said(app)


def test_runs_of_one_study_are_joined_and_others_refused(monkeypatch, tmp_path):
    same = {"n_tasks": 3, "n_prompts": 5}
    one = write_run(tmp_path, name="one", seeds=(0,), **same)
    two = write_run(tmp_path, name="two", seeds=(1,), **same)
    other = write_run(tmp_path, name="other", fingerprint="e" * 16, **same)
    app = opened(monkeypatch, tmp_path, PAGE, study=[one.name, two.name])
    assert "2 runs joined" in said(app) and "mean over 2 seeds" in said(app)
    app = opened(monkeypatch, tmp_path, PAGE, study=[one.name, other.name])
    assert "not pooled" in said(app) and "Choose one of them" in said(app)
    assert "What the data say" not in said(app)


def test_a_sequence_run_is_sent_to_its_page(monkeypatch, tmp_path):
    write_run(tmp_path, n_tasks=2, n_prompts=4)
    sequence = write_sequence_run(tmp_path, lambda *place: 40.0, losses={"00": 1.5, "01": 1.0})
    app = opened(monkeypatch, tmp_path, PAGE, study=sequence.name)
    assert "is a sequence run: see Sequences" in said(app)


def test_what_a_link_asks_for_and_does_not_get_is_said(monkeypatch, whole):
    app = shown(monkeypatch, whole, "Atlantis", effect="Nothing")
    (warning,) = [w.value for w in app.warning if "link asks" in w.value]
    assert "part=Atlantis" in warning.replace("\\", "")
    assert "effect=Nothing" in warning.replace("\\", "")


def test_explore_leads_here_with_the_same_question(monkeypatch, whole):
    query = {"run": whole.name, "outcome": "Generalization", "form": "Loss"}
    app = opened(monkeypatch, whole.parent, tab="Can I trust it?", **query)
    links = [link.proto for link in app.get("page_link") if "study=" in link.proto.query_string]
    (link,) = links
    assert link.query_string == f"study={whole.name}&effect=Generalization&effect_form=Loss"
    badges = [m.value for m in app.markdown if "badge[" in m.value]
    assert len([b for b in badges if "OK" in b or "look" in b]) <= 8
