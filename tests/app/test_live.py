"""The Live page in every state, for both kinds of study; statuses are written by hand."""

import os
import threading

import pytest
from filelock import FileLock

from sapo_analysis import jobs
from sapo_analysis.jobs.queue import mark_started, put_in, take_out
from sapo_analysis.plan import plan_of
from sapo_analysis.store import create_run, layout, open_run
from sapo_analysis.store.requests import ask_to_finish_group
from tests.app.opening import opened
from tests.app.test_explore import charts, frame_with, html_of
from tests.app.test_explore import text_of as seen
from tests.app.test_sequences import LOSSES, score
from tests.synthetic import write_run
from tests.synthetic_sequence import write_sequence_run
from tests.tiny import tiny_study
from tests.tiny_sequence import tiny_sequence
from tests.under_way import begun, chosen, put, scored, tell

PAGE = "views/live.py"
STUDY = tiny_study()
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch, tmp_path):
    """No dispatcher, no engine: what a button asks for is seen in the queue and the status."""
    monkeypatch.setattr("sapo_analysis.jobs.background.start_dispatcher", lambda folder: None)
    monkeypatch.setattr("sapo_analysis.jobs.background.require_engine", lambda: None)
    monkeypatch.setenv("SAPO_LOCKS", str(tmp_path / "locks"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def live(monkeypatch, folder, **query):
    return opened(monkeypatch, folder, PAGE, **query)


def text_of(app):
    return seen(app) + " ".join(e.value.replace("\\", "") for e in app.success)


def buttons(app):
    return [button.label for button in app.button]


def links(app):
    return [e.proto.label.replace("\\", "") for e in app.get("page_link")]


def press(app, key):
    app.button(key=key).click().run()
    assert not app.exception, app.exception[0].value
    return app


def write(path, text):
    with (path / layout.LIVE).open("a") as file:
        file.write(text)


def test_nothing_at_work_says_where_to_go(monkeypatch, folder):
    app = live(monkeypatch, folder)
    assert "Nothing is at work, and nothing waits." in text_of(app)
    path = begun(folder, STUDY, groups=1)
    app = live(monkeypatch, folder)
    assert "These were stopped and can be resumed" in text_of(app)
    assert any(path.name in label for label in links(app))


def test_without_a_link_it_shows_what_is_at_work_and_the_address_keeps_it(monkeypatch, folder):
    begun(folder, STUDY, groups=1)
    path = begun(folder, STUDY, groups=3)
    put(path, "running")
    app = live(monkeypatch, folder)
    assert path.name in text_of(app) and app.query_params["run"] in (path.name, [path.name])


def test_a_paraphrase_study_at_work(monkeypatch, folder):
    path = begun(folder, STUDY, groups=5)
    put(path, "running", phase="place, 3 fine-tunes: training", seconds=60.0, done=3)
    app = live(monkeypatch, folder, run=path.name)
    text = text_of(app)
    n, done = len(plan_of(STUDY).trials), open_run(path).status.done
    assert f"{done} of {n} trials · 1 min 0 s so far · about" in text and "left · cpu" in text
    assert "Place, 3 fine-tunes: training. Group 6 of" in text
    steps = html_of(app)
    assert "✓ Base scores" in steps and "✓ Past tasks 2/2" in steps
    assert f"● Train and evaluate 0/{n}" in steps  # counted by what is saved
    assert {"Finish this group and stop", "Cancel the run"} <= set(buttons(app))
    strip, grid = charts(app)
    assert {t["name"] for t in strip["data"]} >= {"original", "lowest: SAPO's pick"}
    assert {t["name"][0] for t in grid["data"] if t.get("name")} == {"W", "T"}
    assert "The first points appear" in text


def test_points_of_a_run_under_way_are_hollow_and_nothing_is_judged(monkeypatch, folder):
    path = write_run(folder, n_tasks=3, n_prompts=8, finish=False)
    app = live(monkeypatch, folder, run=path.name)
    text = text_of(app)
    assert "Hollow: numbers will move; no verdict until done." in text
    assert "its steps are not known here" in text  # the tasks of this study are made up
    scatter = charts(app)[1]
    marked = [t for t in scatter["data"] if t["mode"] == "markers" and t.get("customdata")]
    assert marked and all(t["marker"]["symbol"].endswith("-open") for t in marked)


def test_a_sequence_at_work_shows_the_choice_as_it_is_made(monkeypatch, folder):
    study = tiny_sequence()
    path, plan = begun(folder, study, groups=2), plan_of(tiny_sequence())
    put(path, "running", phase="stage 1 of 2: scoring prompts")
    ids = [prompt.prompt_id for prompt in plan.prompts["sentiment"]]
    tell(path, *[scored("sentiment", name, 2 - i / 10, 20) for i, name in enumerate(ids[:2])])
    app = live(monkeypatch, folder)
    assert f"leader is {ids[1]} (1.900 nats/token), 0.100 under the original" in text_of(app)
    assert "● Stage 1 of 2 0/2" in html_of(app)
    (picture,) = charts(app)
    assert {t["name"] for t in picture["data"]} == {"original", "leads"}
    # New lines alone are read; the same page shows them.
    tell(path, scored("sentiment", ids[2], 1.5, 8, stopped=True))
    write(path, '{"event": "scored", "state": "the')
    app.run()
    assert "1 stopped before all 20 texts" in text_of(app) and f"{ids[2]} at 8." in text_of(app)
    put(path, "running", phase="stage 1 of 2, 2 fine-tunes: training")
    write(path, 'ta-0"\n')
    tell(path, chosen(study, "sapo+lora", "sentiment", ids[1], 1.9))
    app.run()
    assert f"Last choice: stage 1 of 2, sentiment: sapo+lora takes {ids[1]}" in text_of(app)


def test_a_sequence_with_finished_stages_shows_race_standings_and_matrix(monkeypatch, folder):
    path = write_sequence_run(
        folder, score, stages=2, state="interrupted", strategies=["original", "sapo", "sapo+ewc"]
    )
    app = live(monkeypatch, folder, run=path.name)
    race, matrix = charts(app)
    assert {a["text"] for a in race["layout"]["annotations"]} >= {"original", "sapo"}
    assert race["layout"]["xaxis"]["ticktext"] == ["1", "2", "3"]
    assert matrix["layout"]["annotations"][0]["text"] == "sapo+lora"
    table = frame_with(app, "over_original")
    assert list(table["strategy"]) == ["original+lora", "sapo+lora", "sapo+ewc"]
    assert "No verdict before the end." in text_of(app)
    app.segmented_control(key="live-method").set_value("ewc").run()
    assert not app.exception
    assert "sapo" in {a["text"] for a in charts(app)[0]["layout"]["annotations"]}


def test_a_done_sequence_is_drawn_from_its_tables(monkeypatch, folder):
    path = write_sequence_run(folder, score, losses=LOSSES)
    app = live(monkeypatch, folder, run=path.name)
    assert len(charts(app)) == 2 and "Verdicts are on the Sequences page." in text_of(app)
    assert "Open results" in links(app) and "Finish this group and stop" not in buttons(app)


def test_waiting_runs_say_how_many_are_ahead_and_one_can_come_first(monkeypatch, folder):
    paths = [create_run(folder, STUDY) for _ in range(3)]
    for path in paths:
        put_in(path)
    app = live(monkeypatch, folder, run=paths[2].name)
    assert "2 ahead on CPU." in text_of(app) and "no trials yet" in text_of(app)
    press(app, "next")
    assert f"Run {paths[2].name} comes next." in text_of(app)
    assert "It is the next one." in text_of(app) and "Run next" not in buttons(app)
    assert [w.path.name for w in jobs.waiting(folder)][0] == paths[2].name
    press(app, f"cancel-{paths[2].name}")
    assert open_run(paths[2]).status.state == "cancelled"
    assert "It was cancelled. Nothing was finished yet" in text_of(app)


def test_a_run_whose_worker_gets_ready_says_so(monkeypatch, folder):
    path = create_run(folder, STUDY)
    put_in(path)
    mark_started(path, os.getpid())
    app = live(monkeypatch, folder)
    assert "Its worker is getting ready" in text_of(app) and "Run next" not in buttons(app)


def test_a_run_that_nobody_queued_can_be_queued(monkeypatch, folder):
    path = create_run(folder, STUDY)
    app = live(monkeypatch, folder, run=path.name)
    assert "It is not in the queue" in text_of(app)
    press(app, "queue")
    assert [w.path for w in jobs.waiting(folder)] == [path.resolve()]
    assert "It is the next one." in text_of(app)


def test_a_queue_that_cannot_be_read_is_said(monkeypatch, folder):
    path = create_run(folder, STUDY)
    (folder / ".queue.sqlite").write_bytes(b"no database" * 100)
    app = live(monkeypatch, folder, run=path.name)
    assert "The queue is damaged" in text_of(app) and "Queue it" not in buttons(app)


@pytest.mark.parametrize(
    ("state", "values", "said"),
    [
        ("interrupted", {}, "Its process is gone. 3 of"),
        ("failed", {"error": "<b>out of memory</b>"}, "It failed: <b>out of memory</b>. 3 of"),
        ("cancelled", {}, "It was cancelled. 3 of"),
    ],
)
def test_a_stopped_run_says_what_is_safe_and_goes_on(monkeypatch, folder, state, values, said):
    path = begun(folder, STUDY, groups=6)
    put(path, state, **values)
    app = live(monkeypatch, folder, run=path.name)
    total = len(plan_of(STUDY).trials)
    assert f"{said} {total} trials are safe." in text_of(app)
    assert f"Resume {total - 3}" in buttons(app) and "Partial results" in links(app)
    assert ("Resume smaller" in links(app)) == (state == "failed")
    press(app, f"resume-{path.name}")
    assert open_run(path).status.state == "queued"
    assert f"Run {path.name} is in the queue again." in text_of(app)


def test_a_run_that_has_just_stopped_is_resumed_when_its_worker_is_gone(monkeypatch, folder):
    path = begun(folder, STUDY, groups=6)
    put(path, "cancelled")
    put_in(path)
    mark_started(path, os.getpid())
    app = live(monkeypatch, folder, run=path.name)
    ends = threading.Timer(0.5, take_out, [path])
    ends.start()
    press(app, f"resume-{path.name}")
    ends.join()
    assert [w.path for w in jobs.waiting(folder)] == [path.resolve()]


def test_a_stalled_run_says_since_when_and_can_be_cancelled(monkeypatch, folder):
    path = begun(folder, STUDY, groups=3)
    put(path, "stalled")
    app = live(monkeypatch, folder, run=path.name)
    assert "No sign of life for" in text_of(app) and "Cancel the run" in buttons(app)
    assert app.button(key="finish").disabled


def test_finishing_the_group_is_asked_once(monkeypatch, folder):
    path = begun(folder, STUDY, groups=3)
    put(path, "running")
    app = live(monkeypatch, folder, run=path.name)
    press(app, "finish")
    assert (path / layout.FINISH).exists() and app.button(key="finish").disabled
    assert "It ends when the group in flight is saved." in text_of(app)


def test_a_button_that_comes_too_late_says_why(monkeypatch, folder):
    path = begun(folder, STUDY, groups=3)
    put(path, "running")
    app = live(monkeypatch, folder, run=path.name)
    put(path, "done", done=1, total=1)
    press(app, "finish")
    assert "nobody works on it" in text_of(app)


def test_a_run_that_ends_is_drawn_anew_once(monkeypatch, folder):
    path = write_sequence_run(folder, score, state="running")
    put(path, "running", phase="stage 3 of 3")
    app = live(monkeypatch, folder, run=path.name)
    assert "No verdict before the end." in text_of(app)
    put(path, "done")
    app.run()
    assert "Open results" in links(app) and "Verdicts are on" in text_of(app)


def test_a_read_only_server_shows_and_offers_nothing(monkeypatch, folder):
    path = begun(folder, STUDY, groups=6)
    put(path, "running")
    ask_to_finish_group(path)
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    app = live(monkeypatch, folder, run=path.name)
    assert buttons(app) == [] and "This server is read-only" in text_of(app)
    put(path, "interrupted")
    app.run()
    assert buttons(app) == [] and "are safe." in text_of(app)


def test_the_log_is_text(monkeypatch, folder):
    path = begun(folder, STUDY, groups=1)
    (path / layout.LOG).write_text("x\n" * 20_000 + "<script>alert(1)</script>\x1b[31m\n")
    app = live(monkeypatch, folder, run=path.name)
    log = next(code.value for code in app.code if "script" in code.value)
    assert log.endswith("<script>alert(1)</script>\\x1b[31m") and len(log.splitlines()) == 40


@pytest.mark.parametrize("damage", ["spec", "status"])
def test_a_damaged_run_is_named_and_others_work(monkeypatch, folder, damage):
    path, other = begun(folder, STUDY, groups=1), begun(folder, STUDY, groups=1)
    (path / f"{damage}.json").write_text("{")
    app = live(monkeypatch, folder, run=path.name)
    assert "unreadable" in text_of(app)
    app = live(monkeypatch, folder, run=other.name)
    assert "Base scores" in html_of(app)


def test_a_damaged_table_leaves_header_and_buttons(monkeypatch, folder):
    path = write_run(folder, n_tasks=2, n_prompts=5, finish=False)
    next((path / "tables" / "indicators").glob("part-*")).write_bytes(b"PAR1")
    app = live(monkeypatch, folder, run=path.name)
    assert "table indicators is unreadable" in text_of(app)
    assert any(label.startswith("Resume") for label in buttons(app))


@pytest.mark.parametrize("wanted", ["../../etc", "<script>", "gone-12345678", "a" * 5000])
def test_a_link_to_a_run_that_is_not_here(monkeypatch, folder, wanted):
    begun(folder, STUDY, groups=1)
    app = live(monkeypatch, folder, run=wanted)
    assert "is not here" in text_of(app)


def test_the_sidebar_names_the_run_at_work_and_tells_of_its_end(monkeypatch, folder):
    path = begun(folder, STUDY, groups=6)
    put(path, "running", seconds=60.0)
    waits = create_run(folder, STUDY)
    put_in(waits)
    app = live(monkeypatch, folder, run=waits.name)
    line = next(e.proto.label for e in app.sidebar if e.type == "page_link")
    assert line.replace("\\", "").startswith("tiny 1") and "left" in line
    assert not app.toast
    put(path, "failed", error="x")
    app.run()
    assert [t.value.replace("\\", "") for t in app.toast] == [
        f"{path.name} failed. Its page says why."
    ]
    app.run()
    assert not app.toast


def test_a_run_being_written_elsewhere_does_not_lock_the_page(monkeypatch, folder):
    path = begun(folder, STUDY, groups=1)
    with FileLock(path / layout.LOCK):
        put(path, "running")
        assert "Base scores" in html_of(live(monkeypatch, folder, run=path.name))
