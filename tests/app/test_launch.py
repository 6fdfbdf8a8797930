"""Launch: the form from every start, drafts, reuse, what is refused, and one real launch."""

import json
import os
import time
from concurrent.futures import wait

import pytest
from streamlit.testing.v1 import AppTest

from sapo_analysis import jobs
from sapo_analysis.app import asking
from sapo_analysis.app.launching import files_of, of_size
from sapo_analysis.app.launching.start import nested
from sapo_analysis.errors import WorkError
from sapo_analysis.model_files import find_model
from sapo_analysis.spec import PRESETS, ImportedResults, load_study, parse_study
from sapo_analysis.store import CACHED_RUNS, create_run, open_run
from sapo_analysis.store.drafts import FOLDER, Draft, newest_draft, read_draft, save_draft
from sapo_analysis.store.folder import default_run_id, new_folder
from sapo_analysis.store.layout import SPEC, STATUS, write_model
from sapo_analysis.store.own_prompts import add_own_prompts, mark_bank_prompt
from sapo_analysis.store.status import Status
from tests.app.adding import add_reviews
from tests.app.conftest import MAIN
from tests.synthetic import write_run
from tests.test_model_files import cached, copy_of_pocket

PAGE = "views/launch.py"
DEVICES = {
    "device": "cpu",
    "why": "no GPU",
    "torch": "2.13.0+cpu",
    "cuda_build": False,
    "gpus": [],
    "gpu_memory": [],
    "unused_gpus": [],
    "mend": "",
    "threads": 2,
}
EXACT = {
    "tokens": [{"text": "positive", "scored": True, "kind": "answer"}],
    "n_tokens": 11,
    "n_scored": 1,
    "chat_template": True,
    "fits": True,
    "max_length": 512,
}
SPEEDS = {
    "seconds_per_row": dict.fromkeys(
        ("trained", "scored", "differentiated", "evaluated", "watched"), 0.001
    ),
    "margin": 0.3,
    "memory_bytes": 5e8,
    "device": "cpu",
}
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """An engine that answers at once; `answers` may hold errors, `asked` what it was asked."""
    answers = {"devices": DEVICES, "exact_prompt": EXACT, "calibrate": SPEEDS}
    asked = []

    def probe(kind, payload, timeout=600, echo=False):
        asked.append((kind, payload))
        if isinstance(answers[kind], Exception):
            raise answers[kind]
        return answers[kind]

    asking._questions.clear()
    monkeypatch.setattr(jobs, "probe", probe)
    yield {"answers": answers, "asked": asked}
    wait(asking._questions().values(), timeout=60)
    asking._questions.clear()


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """The user's runs folder, empty; nothing is shipped."""
    runs = tmp_path / "runs"
    runs.mkdir()
    monkeypatch.setenv("SAPO_RUNS", str(runs))
    monkeypatch.setenv("SAPO_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setattr("sapo_analysis.app.data.CACHED_RUNS", tmp_path / "none-shipped")
    return runs


@pytest.fixture
def launched(monkeypatch):
    """What was handed to `jobs.launch`, which makes the run and starts nothing."""
    calls = []

    def launch(study, runs_dir, engine="stacked", reuse=None):
        calls.append((study, engine, reuse))
        return create_run(runs_dir, study)

    monkeypatch.setattr(jobs, "launch", launch)
    return calls


def opened(**query):
    app = AppTest.from_file(str(MAIN), default_timeout=120)
    app.switch_page(PAGE)
    for name, value in query.items():
        app.query_params[name.rstrip("_")] = value
    return drawn(app)


def drawn(app):
    """The page when nothing it asked is open any more."""
    app.run()
    wait(asking._questions().values(), timeout=60)
    app.run()
    assert not app.exception, app.exception[0].value
    return app


def text_of(app):
    parts = [*app.markdown, *app.caption, *app.warning, *app.error, *app.info]
    return " ".join(part.value for part in parts).replace("\\", "")


def widget(app, kind, name):
    """The widget of a setting; its key also has the form's number."""
    (found,) = [w for w in getattr(app, kind) if str(w.key).endswith(f"-{name}")]
    return found


def button(app, label):
    (found,) = [b for b in app.button if b.label == label]
    return found


def study_of(app):
    """The study that the form comes to."""
    made = app.session_state["launch-form"]
    return parse_study(nested({**made.start.settings, **made.changes}), "the form")


def test_the_form_opens_on_a_quick_look_and_counts_it(folder, engine):
    app = opened()
    text = text_of(app)
    assert "3 current tasks, 6 paraphrases, 1 seed, no noise seeds: no verdict." in text
    assert "21 trials = 3 tasks × 7 prompts × 1 seed" in text
    assert "speaks about these tasks only" in text and "to about ±0.51" in text
    assert "New tasks, if they differ by 0.3 in Fisher's z (assumed): ±0.20 takes" in text
    assert "1,115,264 parameters" in text and "1 of 11 tokens are scored" in text
    assert "CPU, 2 threads" in text
    assert button(app, "Launch 21 trials")
    assert dict(app.query_params) == {"question": "paraphrase", "size": "quick"}
    assert [kind for kind, _ in engine["asked"]].count("calibrate") == 0
    assert not (folder / FOLDER).exists()


def test_question_and_size_change_what_is_offered(folder):
    app = opened(question="sequence", size="pilot")
    assert "175 fine-tunes = 5 orders × 7 strategies" in text_of(app)
    widget(app, "radio", "question").set_value("paraphrase")
    drawn(app)
    assert "186 trials = 6 tasks × 13 prompts" in text_of(app)
    assert app.query_params["size"] == "pilot"
    widget(app, "button_group", "size").set_value("paper")
    drawn(app)
    assert "486 trials" in text_of(app)


def test_a_change_is_counted_kept_as_a_draft_and_taken_back(folder):
    app = opened()
    widget(app, "number_input", "training.steps").set_value(7)
    drawn(app)
    assert "1 changed from Quick look" in text_of(app)
    draft_id = app.query_params["draft"]
    assert read_draft(folder, draft_id).changes == {"training.steps": 7}
    widget(app, "button", "reset-training.steps").click()
    drawn(app)
    assert widget(app, "number_input", "training.steps").value == 50
    assert read_draft(folder, draft_id).changes == {}


def test_a_reload_brings_the_draft_back_by_itself_and_a_new_tab_is_offered_it(folder):
    app = opened(question="sequence")
    widget(app, "number_input", "training.steps").set_value(7)
    widget(app, "text_input", "name").set_value("Not A Name")
    drawn(app)
    draft_id = app.query_params["draft"]
    again = opened(draft=draft_id)
    assert widget(again, "radio", "question").value == "sequence"
    assert widget(again, "number_input", "training.steps").value == 7
    assert widget(again, "text_input", "name").value == "Not A Name"
    elsewhere = opened()
    assert "Continue the draft from" in text_of(elsewhere)
    assert widget(elsewhere, "number_input", "training.steps").value == 50
    button(elsewhere, "Continue").click()
    drawn(elsewhere)
    assert widget(elsewhere, "number_input", "training.steps").value == 7
    assert "Continue the draft" not in text_of(elsewhere)


def test_a_draft_can_be_discarded(folder):
    save_draft(folder, "0123abcd", Draft(changes={"training.steps": 7}))
    app = opened()
    button(app, "Discard").click()
    drawn(app)
    assert newest_draft(folder) is None and "Continue the draft" not in text_of(app)


@pytest.mark.parametrize("content", [b"{", b'{"changes": {"training.steps": "x", "past": 3}}'])
def test_a_damaged_draft_is_said_and_the_form_works(folder, content):
    save_draft(folder, "0123abcd", Draft())
    (folder / FOLDER / "0123abcd.json").write_bytes(content)
    app = opened(draft="0123abcd")
    assert "draft" in text_of(app)
    assert "cannot be read" in text_of(app) or "Not taken over" in text_of(app)
    assert button(app, "Launch 21 trials")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"question": "why"}, "question='why'"),
        ({"size": "huge"}, "size='huge'"),
        ({"draft": "../../etc/passwd"}, "is no draft"),
        ({"from_": "nope-00000000"}, "'nope-00000000' is not here"),
        ({"from_": "../../etc"}, "'../../etc' is not here"),
        ({"race": "<script>"}, "'<script>' is not here"),
        ({"task": "nope"}, "Unknown task 'nope'"),
    ],
)
def test_what_a_link_asks_for_in_vain_is_said_and_the_form_works(folder, query, says):
    app = opened(**query)
    assert says in text_of(app)
    assert button(app, "Launch 21 trials")


def test_damaged_imported_and_other_runs_fill_nothing_in(folder):
    damaged = write_run(folder, n_tasks=1, n_prompts=4, name="damaged")
    (damaged / SPEC).write_text("{")

    def fill(half):
        write_model(half / SPEC, ImportedResults(tasks=("job",), file="x.csv"))
        write_model(half / STATUS, Status(state="done"))

    imported = new_folder(folder, "imported", fill)
    race = create_run(folder, load_study(PRESETS / "sequence-smoke.yaml"))
    for query, says in [
        ({"from_": damaged.name}, "spec.json is unreadable"),
        ({"from_": imported.name}, "imported from x.csv"),
        ({"race": race.name}, "is a sequence study, and a paraphrase study is asked for"),
    ]:
        app = opened(**query)
        assert says in text_of(app)
        assert button(app, "Launch 21 trials")


def test_a_run_of_tasks_and_a_model_that_are_not_here_is_shown_as_it_is(folder):
    run = write_run(folder, n_tasks=1, n_prompts=4, name="foreign")
    spec = json.loads((run / SPEC).read_text())
    spec["model"] = "/somewhere/else"
    (run / SPEC).write_text(json.dumps(spec))
    app = opened(from_=run.name)
    text = text_of(app)
    assert "/somewhere/else" in text and "A folder is launched from the command line alone" in text
    assert "Not known here and left out" in text
    assert not [b for b in app.button if b.label.startswith("Launch")]


@pytest.mark.parametrize(
    ("kind", "name", "value", "says"),
    [
        ("text_input", "name", "../../x", "name: must be the start of the run's id"),
        ("text_input", "name", "", "at most 40) (got '')"),
        ("text_input", "name", "é" * 199, "name: must be"),
        ("number_input", "training.steps", -3, "training.steps: Input should be greater than 0"),
        ("number_input", "training.steps", 2**52, ""),
        ("number_input", "training.examples", 10**12, "600 train examples"),
        ("text_input", "training.learning_rate", "1e999", "training.learning_rate"),
        ("text_input", "training.learning_rate", "<b>x</b>", "(got '<b>x</b>')"),
        ("text_input", "seeds", "1, 1", "seeds has a number twice"),
        ("text_input", "seeds", "1; drop table", "seeds.0"),
        ("text_input", "seeds", "", "seeds"),
        ("text_input", "evaluation.checkpoints", "9, 3", "rising order"),
        ("text_input", "lora.target_modules", "", "lora.target_modules"),
        ("number_input", "prompts", 99, "20 are offered"),
        ("number_input", "prompts", -5, "prompts"),
    ],
)
def test_a_wrong_entry_is_said_beside_the_launch_and_never_a_traceback(
    folder, kind, name, value, says
):
    app = opened()
    widget(app, kind, name).set_value(value)
    drawn(app)
    if says:
        assert says in text_of(app).replace("*", "")
        assert not [b for b in app.button if b.label.startswith("Launch")]
        jump = next(b for b in app.button if b.label.startswith("Go to"))
        jump.click()
        drawn(app)
    else:
        assert button(app, "Launch 21 trials")


def test_time_is_measured_on_request_and_serves_other_counts(folder, engine):
    app = opened()
    button(app, "Measure time and memory here").click()
    drawn(app)
    assert "peak 500 MB" in text_of(app) and "First readable result in" in text_of(app)
    widget(app, "text_input", "seeds").set_value("0, 1")
    drawn(app)
    assert "42 trials" in text_of(app) and "peak 500 MB" in text_of(app)
    assert [kind for kind, _ in engine["asked"]].count("calibrate") == 1
    widget(app, "number_input", "lora.r").set_value(4)
    drawn(app)
    assert button(app, "Measure time and memory here")


def test_an_engine_that_fails_or_is_absent_leaves_the_form_whole(folder, engine, monkeypatch):
    engine["answers"] |= dict.fromkeys(engine["answers"], WorkError("The engine *failed*."))
    app = opened()
    assert "The engine *failed*." in text_of(app)
    engine["answers"]["devices"] = {**DEVICES, "unused_gpus": ["GPU 0: Fast"], "mend": "Mend it."}
    next(b for b in app.button if b.key == "ask-again-devices").click()
    drawn(app)
    assert "GPU 0: Fast: torch is a CPU build. Mend it." in text_of(app)
    widget(app, "selectbox", "device").set_value("cuda")
    assert "torch sees no GPU here" in text_of(drawn(app))
    gpu = {"device": "cuda", "gpus": ["Fast"], "gpu_memory": [[22e9, 24e9]]}
    engine["answers"]["devices"] = {**DEVICES, **gpu}
    asking.forget("devices", {})
    assert "GPU 0, Fast, 22 of 24 GB free" in text_of(drawn(app))
    monkeypatch.setattr(jobs, "missing_engine_packages", lambda: ["torch"])
    app = opened()
    assert "Nothing can be trained here: torch cannot be found" in text_of(app)
    assert not [b for b in app.button if b.label.startswith("Launch")]


def test_a_read_only_server_offers_the_file_and_writes_nothing(folder, monkeypatch, launched):
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    app = opened()
    widget(app, "number_input", "training.steps").set_value(7)
    drawn(app)
    assert "This server is read-only. Download the YAML and run it yourself." in text_of(app)
    assert not [b for b in app.button if b.label.startswith(("Launch", "Measure"))]
    assert len(app.get("download_button")) == 1
    assert list(folder.iterdir()) == [] and launched == []


def test_own_prompts_are_offered_and_marked_ones_are_named(folder):
    add_own_prompts(folder, "job", ["A wording of mine?", "Another of mine?"], "pasted")
    app = opened(task="job")
    assert app.query_params["task"] == "job"
    draft = app.query_params["draft"]
    changes = read_draft(folder, draft).changes
    assert changes["current"] == ["job"]
    assert changes["own_prompts"] == {"job": ["A wording of mine?", "Another of mine?"]}
    assert "9 trials = 1 task × 9 prompts × 1 seed" in text_of(app)
    plan_text = [d.value for d in app.dataframe if "taken" in d.value][0]
    assert list(plan_text["taken"]) == ["original + 8 of 22 usable"]
    from sapo_analysis.prompts import get_prompts

    for prompt in get_prompts("job")[1:]:
        mark_bank_prompt(folder, "job", prompt.text, False)
    assert "Marked as not equivalent" in text_of(drawn(app))


def test_prompts_can_be_said_in_three_ways(folder):
    app = opened()
    mode = widget(app, "button_group", "prompts-mode")
    mode.set_value("sources")
    drawn(app)
    assert widget(app, "number_input", "prompts.seen").value == 3
    widget(app, "number_input", "prompts.novel").set_value(1)
    drawn(app)
    assert "15 trials = 3 tasks × 5 prompts" in text_of(app)
    widget(app, "button_group", "prompts-mode").set_value("chosen")
    drawn(app)
    assert "15 trials" in text_of(app)
    draft = app.query_params["draft"]
    assert len(read_draft(folder, draft).changes["prompts"]) == 12
    widget(app, "button_group", "prompts-mode").set_value("number")
    drawn(app)
    assert "15 trials" in text_of(app)


def test_strategies_and_orders_of_a_race(folder):
    app = opened(question="sequence")
    widget(app, "button_group", "methods-0").set_value(["lora", "o-lora"])
    widget(app, "number_input", "n-orders").set_value(3)
    drawn(app)
    text = text_of(app)
    assert "original+o-lora, random+o-lora, sapo+o-lora" in text
    assert "54 fine-tunes = 3 orders × 6 strategies × 1 seed × 3 tasks" in text
    assert "sentiment → translate → colour" in text and "over 3 orders" in text
    assert widget(app, "text_input", "o_lora.weight").value == "0.5"
    widget(app, "button_group", "policies").set_value([])
    drawn(app)
    assert "strategies" in text_of(app)
    assert not [b for b in app.button if b.label.startswith("Launch")]


def test_a_method_is_picked_with_its_settings_and_kept_in_the_draft(folder):
    app = opened()
    assert "Past tasks are learned with LoRA" not in text_of(app)
    assert not [w for w in app.number_input if str(w.key).endswith("soft_prompt.virtual_tokens")]
    widget(app, "selectbox", "method").set_value("promot")
    drawn(app)
    text = text_of(app)
    assert "Trains first a soft prompt" in text
    assert "Past tasks are learned with LoRA in any case." in text
    assert "- **ProMoT**: first a soft prompt" in text and "o-lora" not in text
    assert "1 changed from Quick look" not in text  # it has a place of its own
    assert not [w for w in app.number_input if str(w.key).endswith("first_rank")]
    widget(app, "number_input", "soft_prompt.virtual_tokens").set_value(8)
    widget(app, "text_input", "evaluation.n_shots").set_value("0, 1")
    drawn(app)
    study = study_of(app)
    assert (study.method, study.soft_prompt.virtual_tokens) == ("promot", 8)
    assert study.evaluation.n_shots == (0, 1) and button(app, "Launch 21 trials")
    # The other question keeps what both have.
    again = opened(draft=app.query_params["draft"])
    assert study_of(again) == study and widget(again, "selectbox", "method").value == "promot"
    widget(again, "radio", "question").set_value("sequence")
    drawn(again)
    assert study_of(again).soft_prompt.virtual_tokens == 8
    widget(again, "button_group", "methods-2").set_value(["promot"])
    drawn(again)
    assert study_of(again).strategies[3:] == ("original+promot", "random+promot", "sapo+promot")
    assert widget(again, "number_input", "soft_prompt.virtual_tokens").value == 8
    assert "- **EWC**: as LoRA" in text_of(again)


def test_a_soft_prompt_from_elsewhere_goes_with_its_method(folder):
    given = {"promot.stage_1_from": "somewhere", "current": ["job"], "method": "promot"}
    spec = nested({**of_size("paraphrase", "quick").settings, **given})
    run = create_run(folder, parse_study(spec, "a run"))
    app = opened(from_=run.name)
    assert study_of(app).promot.stage_1_from == "somewhere"
    widget(app, "selectbox", "method").set_value("ia3")
    drawn(app)
    assert study_of(app).promot.stage_1_from is None
    widget(app, "selectbox", "method").set_value("promot")
    drawn(app)
    assert study_of(app).promot.stage_1_from == "somewhere"


def test_extending_counts_and_launches_with_what_is_reused(folder, launched, monkeypatch):
    from sapo_analysis.app import launches

    run = create_run(folder, parse_study(nested(of_size("paraphrase", "quick").settings), "q"))
    plan_ids = {}

    def lent(study, engine, lender, allow_mixed):
        plan_ids["lender"] = lender.run_id, engine, allow_mixed
        from sapo_analysis.plan import plan_of

        ids = [trial.trial_id for trial in plan_of(study, engine).trials[:15]]
        return launches.Lent(frozenset(ids), "15 of 21 trials are taken over.")

    monkeypatch.setattr(launches, "lent", lent)
    monkeypatch.setattr(launches, "reuse_of", lambda *asked: ("reuse", *asked[1:2]))
    app = opened(from_=run.name, extend="1")
    assert f"Extend {run.name}" in text_of(app)
    assert "6 new, 15 reused" in text_of(app) and plan_ids["lender"] == (run.name, "stacked", False)
    button(app, "Launch 6 trials again").click()
    app.run()
    ((study, engine, reuse),) = launched
    assert engine == "stacked" and reuse == ("reuse", "stacked") and study == open_run(run).study
    smaller = opened(from_=run.name, smaller="1")
    assert "one adapter at a time" in text_of(smaller)
    assert plan_ids["lender"] == (run.name, "plain", True)


def test_extending_a_sequence_promises_no_reuse(folder):
    run = create_run(folder, parse_study(nested(of_size("sequence", "quick").settings), "q"))
    said = text_of(opened(from_=run.name, extend="1"))
    assert "Give orders below that it has not" in said and "reused" not in said


def test_a_run_that_cannot_lend_says_why_and_counts_everything(folder):
    run = create_run(folder, parse_study(nested(of_size("paraphrase", "quick").settings), "q"))
    app = opened(from_=run.name, extend="1")
    assert "nothing of it is finished yet" in text_of(app)
    assert button(app, "Launch 21 trials again")


def test_a_form_from_a_run_is_planned_on_what_that_run_found(folder, monkeypatch):
    monkeypatch.setattr("sapo_analysis.app.data.CACHED_RUNS", CACHED_RUNS)
    app = opened(from_=default_run_id())
    assert "New tasks, if they differ as in the pilot: r to about ±" in text_of(app)
    (said,) = [part for part in app.caption if part.value.startswith("New tasks, if they differ")]
    assert "ilot of 11 tasks × 13 prompts × 3 seeds" in said.help.replace("\\", "")
    widget(app, "button_group", "size").set_value("pilot")
    drawn(app)
    assert "if they differ by 0.3 in Fisher's z (assumed): r to about" in text_of(app)


def test_only_a_run_that_may_be_judged_is_a_pilot(folder):
    from sapo_analysis.app import launches

    def pilot(**settings):
        return launches.pilot_from(open_run(write_run(folder, n_tasks=3, **settings)))

    assert pilot(name="good").n_tasks == 3
    assert pilot(name="half", finish=False) is None
    assert pilot(name="untrained", weights="random") is None
    assert launches.pilot_from(None) is None
    race = create_run(folder, load_study(PRESETS / "sequence-smoke.yaml"))
    assert launches.pilot_from(open_run(race)) is None
    assert pilot(name="damaged", drop_scores=True) is None


def test_racing_fills_a_sequence_and_says_what_it_took_over(folder):
    run = create_run(folder, parse_study(nested(of_size("paraphrase", "quick").settings), "q"))
    app = opened(race=run.name)
    text = text_of(app)
    assert f"A race of {run.name}" in text and "Carried over" in text
    assert widget(app, "radio", "question").value == "sequence"
    assert next(b for b in app.button if b.label.startswith("Launch"))
    # The other question, or a size, leaves the run.
    widget(app, "radio", "question").set_value("paraphrase")
    drawn(app)
    assert "race" not in app.query_params and "A race of" not in text_of(app)


def test_a_launch_goes_to_the_live_page_once_and_forgets_the_draft(folder, launched):
    app = opened()
    widget(app, "text_input", "name").set_value("mine")
    drawn(app)
    draft = app.query_params["draft"]
    button(app, "Launch 21 trials").click()
    app.run()
    assert not app.exception
    (run,) = [path for path in folder.iterdir() if not path.name.startswith(".")]
    assert app.query_params["run"] == run.name and run.name.startswith("mine-")
    assert launched[0][0] == open_run(run).study and read_draft(folder, draft) is None


def test_an_equal_study_is_asked_about_before_it_is_launched_again(folder, launched):
    first, second = opened(), opened()
    button(first, "Launch 21 trials").click()
    first.run()
    # The other window still shows what was true when it was drawn.
    button(second, "Launch 21 trials").click()
    drawn(second)
    assert len(launched) == 1
    assert "The same study was launched at" in text_of(second)
    assert "Launch again?" in text_of(second)
    button(second, "Launch 21 trials again").click()
    second.run()
    assert len(launched) == 2


def test_a_launch_that_is_refused_is_said_and_nothing_is_lost(folder, monkeypatch):
    def refused(*_):
        raise WorkError("The queue is held by *another* process.")

    monkeypatch.setattr(jobs, "launch", refused)
    app = opened()
    widget(app, "number_input", "training.steps").set_value(7)
    drawn(app)
    button(app, "Launch 21 trials").click()
    app.run()
    assert not app.exception and "held by *another* process" in text_of(app)
    assert widget(app, "number_input", "training.steps").value == 7


def test_a_folder_that_cannot_be_written_is_said(folder, monkeypatch, launched):
    app = opened()
    (folder / FOLDER).write_text("a file in the place of the folder")
    widget(app, "number_input", "training.steps").set_value(7)
    drawn(app)
    assert "Cannot keep the draft" in text_of(app)
    button(app, "Launch 21 trials").click()
    app.run()
    assert "Cannot write a run into" in text_of(app) and launched == []


@pytest.mark.slow
def test_a_real_launch_is_queued_and_can_be_cancelled(folder):
    smoke = load_study(PRESETS / "smoke.yaml")
    changes = {"current": ["sentiment"], "unseen": ["rate"], "retained": ["last_word"]}
    changes |= {"prompts": 3, "noise_seeds": [100], "device": "cpu", "name": "smoke"}
    changes |= {"training.examples": 160, "training.steps": 10, "scoring.examples": 40}
    changes |= {"evaluation.examples": 20, "evaluation.n_predictions_kept": 20}
    save_draft(folder, "0123abcd", Draft(changes=changes))
    app = opened(draft="0123abcd")
    next(b for b in app.button if b.label == "Launch 8 trials").click()
    app.run()
    assert not app.exception
    (run,) = [path for path in folder.iterdir() if not path.name.startswith(".")]
    try:
        assert app.query_params["run"] == run.name
        assert open_run(run).study == smoke.model_copy(update={"device": "cpu"})
        assert open_run(run).status.state in ("queued", "running", "done")
    finally:
        if open_run(run).status.state != "done":
            jobs.cancel_run(run)
    deadline = time.monotonic() + 60
    while jobs.waiting(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert open_run(run).status.state in ("cancelled", "done") and not jobs.waiting(folder)
    assert os.environ["SAPO_LOCKS"] != ""


def test_an_added_task_is_offered_and_the_study_names_where_it_is(folder, engine, launched):
    add_reviews(folder)
    add_reviews(folder, name="other")
    app = opened(task="reviews")
    assert app.query_params["task"] == "reviews"
    (table,) = [d for d in app.dataframe if "role" in d.value]
    rows = table.value.set_index("task")
    assert rows.loc["reviews", "role"] == "current" and rows.loc["reviews", "usable"] == 2
    assert rows.loc["other", "role"] == "off" and rows.loc["other", "train_rows"] == 46
    assert "Reviews · own, added" in rows.loc["reviews", "about"]
    # A quick look asks for more rows and paraphrases than it has: it takes what there is.
    assert study_of(app).training.examples == study_of(app).scoring.examples == 46
    assert study_of(app).evaluation.examples == 9 and study_of(app).prompts == 2
    assert button(app, "Launch 3 trials")
    source = str(folder / ".tasks" / "reviews")
    shown = [payload for kind, payload in engine["asked"] if kind == "exact_prompt"]
    assert shown[-1]["tasks_from"] == [source]
    study = study_of(app)
    assert study.tasks_from == (source,) and study.current == ("reviews",)
    # The draft keeps it, and a form from the launched run has it too.
    draft = read_draft(folder, app.query_params["draft"])
    assert draft.changes["tasks_from"] == [source]
    app.button(key="launch").click()
    drawn(app)
    ((made, _, _),) = launched
    assert made.tasks_from == (source,)
    (run,) = [path for path in folder.iterdir() if path.name[0] != "."]
    again = opened(from_=run.name)
    assert study_of(again).tasks_from == (source,)
    assert "The same study was launched" in text_of(again)
    # Switched off again, nothing names it any more.
    app = opened(question="paraphrase")
    assert study_of(app).tasks_from == ()


def test_a_task_that_cannot_be_read_is_named_and_the_form_works(folder):
    add_reviews(folder)
    (folder / ".tasks" / "reviews" / "task.yaml").write_text("name: [")
    app = opened(task="reviews")
    assert "is not YAML" in text_of(app) and "Unknown task 'reviews'" in text_of(app)
    assert button(app, "Launch 21 trials")


def test_a_study_of_other_folders_keeps_them_when_it_is_extended(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    add_reviews(elsewhere)
    add_reviews(folder)  # the study's own comes first
    tasks = str(elsewhere / ".tasks")
    flat = nested({**of_size("paraphrase", "quick").settings, "prompts": 1})
    flat |= {"current": ["reviews"], "past": [], "tasks_from": [tasks]}
    flat["training"]["examples"] = flat["scoring"]["examples"] = 20
    flat["evaluation"]["examples"] = 5
    run = create_run(folder, parse_study(flat, "made"))
    app = opened(from_=run.name, extend="1")
    assert study_of(app).tasks_from == (tasks,)


def test_models_of_the_cache_their_revisions_and_untrained_controls(folder, monkeypatch, tmp_path):
    cache = tmp_path / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    old, new = "a" * 40, "b" * 40
    cached(cache, old)
    cached(cache, new, main=new)
    app = opened()
    box = widget(app, "selectbox", "model")
    assert "org/tiny" in box.options and f"org/tiny at {old[:12]}" in box.options
    box.select(f"org/tiny@{old}")
    drawn(app)
    assert f"revision {old[:12]}" in text_of(app) and not app.error
    assert study_of(app).model == f"org/tiny@{old}"
    widget(app, "checkbox", "untrained").set_value(True)
    drawn(app)
    assert study_of(app).model == f"random:org/tiny@{old}"
    assert "random weights: no scientific meaning" in text_of(app)
    assert "it gets no verdict" in text_of(app)
    # A study of a model that is not here says how to get it.
    flat = nested({**of_size("paraphrase", "quick").settings, "model": f"org/tiny@{'c' * 40}"})
    run = create_run(folder, parse_study(flat, "made"))
    app = opened(from_=run.name)
    assert "(not known here)" in widget(app, "selectbox", "model").options[0]
    assert "is on this machine at" in text_of(app) and "sapo fetch org/tiny@ccc" in text_of(app)
    # Never a folder, however it is called.
    copy_of_pocket(tmp_path / "own" / "copy")
    monkeypatch.chdir(tmp_path)
    for place in (str(tmp_path / "own" / "copy"), "own/copy", "random:own/copy"):
        assert find_model(place) and files_of(place, ["pocket"]) is None
    assert files_of("random:org/tiny", ["pocket"]) is not None


def test_a_large_model_is_advised_to_be_halved_and_another_is_fetched_by_id(
    folder, engine, monkeypatch
):
    monkeypatch.setattr("sapo_analysis.app.components.launch_model.LARGE", 1_000_000)
    app = opened()
    assert "In float32 its weights alone take 4 MB" in text_of(app)
    widget(app, "button", "take-bfloat16").click()
    drawn(app)
    assert study_of(app).dtype == "bfloat16" and "weights alone" not in text_of(app)
    app.text_input(key="hub-id").set_value("<b>not</b>").run()
    assert "is no id of the hub" in text_of(app)
    app.text_input(key="hub-id").set_value("org/tiny").run()
    engine["answers"]["hub_model"] = WorkError("No *network*.")
    app.button(key="hub-ask").click()
    drawn(app)
    assert "No *network*." in text_of(app)
    offer = {"name": "org/tiny", "revision": "b" * 40, "files": [{}, {}], "gated": True}
    engine["answers"]["hub_model"] = {**offer, "missing_bytes": 2e9, "page": "https://x"}
    app.button(key="again-hub_model").click().run()
    app.button(key="hub-ask").click()
    drawn(app)
    assert "2 files, 2.0 GB to fetch" in text_of(app) and "accept its terms" in text_of(app)
    engine["answers"]["fetch_model"] = {"name": "org/tiny"}
    app.button(key="hub-fetch").click()
    drawn(app)
    assert ("fetch_model", {"model": "org/tiny", "trust_remote_code": False}) in engine["asked"]
    assert "org/tiny is here" in app.success[0].value.replace("\\", "")
