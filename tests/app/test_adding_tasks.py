"""Tasks of one's own: from a file to the list, what is refused, public data sets, and removal."""

import pytest

from sapo_analysis import jobs
from sapo_analysis.app import asking
from sapo_analysis.app.new_task import likely_answers, likely_columns, likely_name, look_at
from sapo_analysis.errors import InputError
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.store import create_run
from sapo_analysis.store.added_tasks import remove_added_task
from sapo_analysis.tasks import get_task
from sapo_analysis.tasks.added import FOLDER
from sapo_analysis.tasks.shipped_cards import shipped_card
from sapo_analysis.tasks.tables import read_table
from tests.app.adding import EVIL, ROWS, add_reviews, jsonl
from tests.app.opening import opened
from tests.app.test_explore import frame_with, text_of
from tests.app.test_hostile_text import check
from tests.tiny import tiny_study
from tests.waiting import wait_until

PAGE = "views/tasks.py"
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """An engine that counts words; `answers` are its replies to other kinds of questions."""
    answers = {}

    def probe(kind, payload, timeout=600, echo=False):
        if kind == "tokens":
            return {"n_tokens": [len(text.split()) for text in payload["texts"]]}
        answer = answers[kind](payload)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(jobs, "probe", probe)
    asking._questions.clear()
    yield answers
    asking._questions.clear()


def adding(monkeypatch, folder):
    return opened(monkeypatch, folder, PAGE, add="1")


def upload(app, name, content, split="train"):
    app.file_uploader(key=f"rows-{split}").upload(name, content)
    app.run()
    assert not app.exception, app.exception[0].value
    return app


def answered(app):
    wait_until(lambda: all(f.done() for f in asking._questions().values()))
    app.run()
    assert not app.exception, app.exception[0].value


def widget(app, kind, start):
    (found,) = [w for w in getattr(app, kind) if (w.key or "").startswith(start)]
    return found


def test_a_file_becomes_a_task_and_none_of_its_text_is_obeyed(monkeypatch, tmp_path):
    app = adding(monkeypatch, tmp_path)
    assert [b.key for b in app.button if b.key == "add-rows"] == []
    upload(app, "hotel reviews.jsonl", jsonl(ROWS))
    assert "60 rows, 3 columns" in text_of(app)
    # What the columns are is proposed from their names, the labels from what they hold.
    assert [w.value for w in app.selectbox[:2]] == ["text", "label"]
    assert "Write the original prompt" in app.error[0].value.replace("\\", "")
    assert app.button(key="add-rows").disabled
    assert "These labels are numbers" in text_of(app)
    edits = {"edited_rows": {0: {"label": "bad"}, 1: {"label": "*x*"}}}
    answers = widget(app, "dataframe", "answers-")
    app.session_state[answers.key] = {**edits, "added_rows": [], "deleted_rows": []}
    widget(app, "text_area", "original-").set_value(f"Is it bad or *x*? {EVIL}").run()
    assert not app.error and [c.value for c in app.code][-1] == "bad"
    assert app.code[0].value.endswith(f"Text:\n{EVIL} 0")
    check(app)
    widget(app, "text_input", "title-").set_value(EVIL)
    app.button(key="add-rows").click().run()
    assert not app.exception and "add" not in app.query_params
    assert app.query_params["task"] == "hotel_reviews"
    assert "60 rows read; " in app.success[0].value.replace("\\", "")
    task = get_task("hotel_reviews", sources=[str(tmp_path / FOLDER)])
    assert task.labels == ("bad", "*x*") and task.metric == "label_accuracy"
    assert task.title == EVIL and sum(task.sizes.values()) == 60
    assert frame_with(app, "split")["rows"].sum() == 60
    check(app)
    for tab in ("Instruction", "Paraphrases"):
        app.session_state["tab"] = tab
        app.run()
        assert not app.exception, app.exception[0].value
        check(app)


def test_wrong_rows_are_named_with_their_lines_before_and_when_they_are_added(
    monkeypatch, tmp_path
):
    app = adding(monkeypatch, tmp_path)
    # The five hundred and first row is looked at when it is added.
    lines = [{"text": f"t{i}", "label": "ab"[i % 2]} for i in range(600)]
    lines[550]["text"] = ""
    upload(app, "some.jsonl", jsonl(lines))
    widget(app, "text_area", "original-").set_value("Which?").run()
    assert not app.error
    app.button(key="add-rows").click().run()
    assert "line 551 of" in app.error[0].value.replace("\\", "")
    assert not (tmp_path / FOLDER).exists()
    upload(app, "other.csv", b"text,label\nx,a\n,b\ny,a\nz,b\n")
    assert "line 3 of" in app.error[0].value.replace("\\", "")
    upload(app, "third.csv", "text,label\né,a\n".encode("latin-1"))
    assert "not UTF-8" in app.error[0].value.replace("\\", "")
    # A name that is taken, and one that cannot be.
    upload(app, "sentiment.jsonl", jsonl(lines[:40]))
    widget(app, "text_area", "original-").set_value("Which?").run()
    assert "There is a task 'sentiment' already" in app.error[0].value.replace("\\", "")
    widget(app, "text_input", "name-").set_value("../x").run()
    assert "name" in app.error[0].value and app.button(key="add-rows").disabled


def test_columns_become_a_text_and_free_text_gets_another_metric(monkeypatch, tmp_path):
    app = adding(monkeypatch, tmp_path)
    rows = [
        {"id": str(i), "en": f"number {i} of words that go on", "note": f"n{i}"} for i in range(40)
    ]
    upload(app, "pairs.jsonl", jsonl(rows))
    widget(app, "selectbox", "target-").set_value("en")
    widget(app, "selectbox", "input-").set_value("a text with several columns").run()
    assert widget(app, "text_area", "template-").value == "Id: {id}\nNote: {note}"
    assert not [t for t in app.toggle if t.key.startswith("closed-")]
    assert widget(app, "selectbox", "metric-").value == "rouge_l"
    widget(app, "text_area", "template-").set_value("{note} and {nothing}").run()
    assert "nothing" in app.error[0].value
    widget(app, "text_area", "template-").set_value("{note}!").run()
    assert frame_with(app, "input")["input"].tolist()[:2] == ["n0!", "n1!"]


def test_files_of_their_own_for_dev_and_test_and_a_look_at_a_table(monkeypatch, tmp_path):
    app = adding(monkeypatch, tmp_path)
    upload(app, "a.jsonl", jsonl(ROWS))
    for split in ("dev", "test"):
        upload(app, "b.jsonl", jsonl([{**row, "text": row["text"] + split} for row in ROWS]), split)
    widget(app, "text_area", "original-").set_value("Which?").run()
    app.button(key="add-rows").click().run()
    task = get_task("a", sources=[str(tmp_path / FOLDER)])
    assert set(task.sizes.values()) == {60} and "180 rows read" in app.success[0].value
    look = look_at(read_table(jsonl(ROWS), "x.jsonl"))
    assert (look.n, look.is_all, look.columns) == (60, True, ("text", "label", "stars"))
    assert likely_answers(look, "label") == ["0", "1"] and likely_answers(look, "text") == []
    assert likely_columns(["idx", "premise", "gold_label"]) == ("idx", "gold_label")
    assert likely_name("my réviews (v2).tar.csv") == "my_r_views_v2"
    nested = look_at(read_table(b'[{"t": {"en": "x", "de": "y"}}]', "x.json"))
    assert nested.columns == ("t.en", "t.de")


def test_a_public_data_set_is_fetched_or_says_why_not(monkeypatch, tmp_path, engine):
    app = opened(monkeypatch, tmp_path, PAGE, task="sst2")
    assert "not fetched here" in text_of(app) and "stanfordnlp/sst2" in text_of(app).replace(
        "\\", ""
    )
    engine["fetch_task"] = lambda payload: InputError("No *network*.")
    app.button(key="fetch-task").click().run()
    answered(app)
    assert "No \\*network\\*" in app.error[0].value

    def fetched(payload):
        assert payload == {"card": "sst2", "runs": str(tmp_path), "keep": None}
        add_reviews(tmp_path, card=shipped_card("sst2"))
        return {"task": "sst2"}

    engine["fetch_task"] = fetched
    app.button(key="fetch-again").click().run()
    app.button(key="fetch-task").click().run()
    answered(app)
    assert frame_with(app, "split")["rows"].sum() == 60
    # Removed, it is offered again: what the hub answered once is no task.
    app.button(key="remove-task").click().run()
    assert [b.label for b in app.button if b.key == "fetch-task"] == ["Fetch the rows"]


def test_a_task_is_removed_unless_a_run_needs_it_and_a_damaged_one_takes_no_other_along(
    monkeypatch, tmp_path
):
    add_reviews(tmp_path)
    add_reviews(tmp_path, name="other")
    study = ParaphraseStudy(
        current=("reviews",), unseen=("sentiment",), tasks_from=(str(tmp_path / FOLDER),)
    )
    run = create_run(tmp_path, study)
    with pytest.raises(InputError, match=f"needed by run {run.name}, which is queued"):
        remove_added_task(tmp_path, "reviews")
    app = opened(monkeypatch, tmp_path, PAGE, task="other")
    app.button(key="remove-task").click().run()
    assert "Task other was removed" in app.success[0].value
    assert not (tmp_path / FOLDER / "other").exists()
    (tmp_path / FOLDER / "reviews" / "task.yaml").write_text("name: [")
    app = opened(monkeypatch, tmp_path, PAGE, task="job")
    assert "is not YAML" in app.error[0].value and "### Job" in text_of(app)
    with pytest.raises(InputError, match="Unknown added task '../x'"):
        remove_added_task(tmp_path, "../x")


def test_a_read_only_server_shows_everything_and_changes_nothing(monkeypatch, tmp_path):
    add_reviews(tmp_path)
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    app = opened(monkeypatch, tmp_path, PAGE, task="reviews")
    assert not [b for b in app.button if b.key == "remove-task"]
    assert str(tmp_path) not in text_of(app).replace("\\", "")
    assert frame_with(app, "split")["rows"].sum() == 60
    app = opened(monkeypatch, tmp_path, PAGE, add="1")
    assert "read-only" in app.info[0].value and not app.get("file_uploader")
    app = opened(monkeypatch, tmp_path, PAGE, task="sst2")
    assert "sapo add-task sst2" in app.info[0].value
    assert not [b for b in app.button if b.key == "fetch-task"]
    with pytest.raises(InputError, match="read-only"):
        remove_added_task(tmp_path, "reviews")


def test_a_study_over_an_added_task_runs_and_is_shown_with_random_weights(
    monkeypatch, tmp_path, in_this_process
):
    add_reviews(tmp_path)
    study = tiny_study().model_copy(
        update={
            **{"current": ("reviews",), "past": (), "retained": (), "unseen": ("sentiment",)},
            **{"seeds": (0,), "noise_seeds": (), "model": "pocket-random"},
            "tasks_from": (str(tmp_path / FOLDER / "reviews"),),
        }
    )
    run = jobs.run_study(study, tmp_path)
    # What the task is called and how it is asked is in the run: it is read without the task.
    remove_added_task(tmp_path, "reviews")
    app = opened(monkeypatch, tmp_path, run=run.name)
    assert "random weights: no scientific meaning" in text_of(app).replace("\\", "")
    assert "1 task · 3 prompts · 1 seed" in text_of(app)
    assert "reviews-01" in set(frame_with(app, "prompt_id")["prompt_id"])
    for page in ("views/statistics.py", "views/runs.py"):
        app = opened(monkeypatch, tmp_path, page, study=run.name, chosen=run.name)
        assert "random weights: no scientific meaning" in text_of(app).replace("\\", "")
