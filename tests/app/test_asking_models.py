"""Paraphrases from an endpoint and from a model here, and how alike a model answers under them."""

import json

import pytest

from sapo_analysis import jobs
from sapo_analysis.app import asking, equivalence
from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.prompts import get_prompts
from sapo_analysis.store.base_answers import FOLDER
from sapo_analysis.store.own_prompts import add_own_prompts, read_own_prompts
from sapo_analysis.tasks import get_task
from tests.app.opening import opened
from tests.app.test_explore import frame_with, text_of
from tests.app.test_hostile_text import check
from tests.prompts.endpoint_server import fail, say, serving
from tests.waiting import wait_until

PAGE = "views/tasks.py"
BANK = [prompt.text for prompt in get_prompts("sentiment")]
TASK = get_task("sentiment")
TARGETS = [row.target for row in TASK.examples("dev", 20)]
GOOD = "Does the sentence read as negative to you, or as positive?"
KEY = "sk-very-secret-key"
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """An engine that counts words; `answers` are its replies to other kinds, `asked` the rest."""
    answers, asked = {}, []

    def probe(kind, payload, timeout=600, echo=False):
        if kind == "tokens":
            return {"n_tokens": [len(text.split()) for text in payload["texts"]]}
        asked.append((kind, payload))
        answer = answers[kind](payload)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(jobs, "probe", probe)
    asking._questions.clear()
    yield {"answers": answers, "asked": asked}
    asking._questions.clear()


def paraphrases(monkeypatch, folder, way=None):
    app = opened(monkeypatch, folder, PAGE, task="sentiment", tab="Paraphrases")
    if way:
        app.button_group(key="way").set_value(way).run()
    assert not app.exception, app.exception[0].value
    return app


def clicked(app, key):
    app.button(key=key).click().run()
    wait_until(lambda: all(f.done() for f in asking._questions().values()))
    app.run()
    assert not app.exception, app.exception[0].value
    return app


def configure(monkeypatch, tmp_path, url, **more):
    lines = [f"  there: {{base_url: {url}, model: [m-1, '*m* 2'], key_env: A_KEY}}"]
    lines += [f"  {name}: {settings}" for name, settings in more.items()]
    path = tmp_path / "endpoints.yaml"
    path.write_text("\n".join(["endpoints:", *lines]).replace("'*m* 2'", "'*m*'"))
    monkeypatch.setenv("SAPO_ENDPOINTS", str(path))


def test_an_endpoint_is_chosen_never_typed_and_its_reply_is_checked_as_any(monkeypatch, tmp_path):
    monkeypatch.setenv("A_KEY", KEY)
    runs = tmp_path / "runs"
    with serving() as server:
        configure(monkeypatch, tmp_path, server.url)
        server.acts[:] = [say(f"1. {GOOD}\n2. Is it good?\n3. {BANK[0]}")]
        app = paraphrases(monkeypatch, runs, "endpoint")
        assert not [w for w in app.text_input if "url" in (w.key or "") or "key" in (w.key or "")]
        assert app.selectbox(key="endpoint").options == [f"there ({server.url[7:-3]})"]
        assert "model m-1 at 127.0.0.1" in text_of(app).replace("\\", "")
        app.number_input(key="endpoint-n").set_value(3)
        app.selectbox(key="endpoint-model-there").select("*m*").run()
        check(app)
        app.button(key="ask-endpoint").click().run()
        assert not app.exception, app.exception[0].value
        found = frame_with(app, "check")
        assert list(found["check"]) == ["✓ use", "✕ refused", "✕ refused"]
        assert server.calls[0]["body"]["model"] == "*m*"
        app.button(key="add").click().run()
    (kept,) = read_own_prompts(runs, "sentiment").prompts
    assert (kept.text, kept.source) == (GOOD, "endpoint there: *m*")
    assert "temperature 0.6" in kept.note
    check(app)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not any(KEY.encode() in path.read_bytes() for path in files)


def test_what_an_endpoint_does_not_give_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("A_KEY", KEY)
    with serving() as server:
        configure(monkeypatch, tmp_path, server.url)
        server.acts[:] = [fail(401)]
        app = paraphrases(monkeypatch, tmp_path / "runs", "endpoint")
        app.button(key="ask-endpoint").click().run()
        said = text_of(app) + " ".join(error.value for error in app.error)
        assert "401" in said or "key" in said
        assert KEY not in said and not app.exception
    monkeypatch.delenv("A_KEY")
    app = paraphrases(monkeypatch, tmp_path / "runs", "endpoint")
    assert "A_KEY" in text_of(app).replace("\\", "")
    assert not [b for b in app.button if b.key == "ask-endpoint"]
    monkeypatch.setenv("SAPO_ENDPOINTS", str(tmp_path / "none.yaml"))
    app = paraphrases(monkeypatch, tmp_path / "runs", "endpoint")
    assert "No endpoint is set up" in text_of(app) and "none.yaml" in text_of(app)
    assert "base_url:" in app.code[0].value
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    for way in ("endpoint", "model"):
        app = paraphrases(monkeypatch, tmp_path / "runs", way)
        assert "read-only" in app.info[0].value


def test_a_model_here_writes_candidates_of_which_the_same_is_asked(monkeypatch, tmp_path, engine):
    replies = [{"text": GOOD, "cut_off": False}, {"text": "positive or neg", "cut_off": True}]
    engine["answers"]["paraphrase"] = lambda payload: {"label": "pocket", "replies": replies}
    app = paraphrases(monkeypatch, tmp_path, "model")
    assert "pocket-random" not in app.selectbox(key="local-model").options
    app.number_input(key="local-n").set_value(2)
    app.number_input(key="local-seed").set_value(7).run()
    clicked(app, "ask-local")
    ((kind, payload),) = engine["asked"]
    assert (kind, payload["n"], payload["seed"], payload["tasks_from"]) == ("paraphrase", 2, 7, [])
    assert list(frame_with(app, "check")["check"]) == ["✓ use", "✕ refused"]
    clicked(app, "add")
    (kept,) = read_own_prompts(tmp_path, "sentiment").prompts
    assert (kept.source, kept.note) == ("model pocket", "temperature 0.6, seed 7")
    engine["answers"]["paraphrase"] = lambda payload: WorkError("No *memory*.")
    clicked(app, "ask-local")
    assert "No \\*memory\\*" in app.error[0].value


def test_alike_stands_beside_each_prompt_and_is_asked_once(monkeypatch, tmp_path, engine):
    add_own_prompts(tmp_path, "sentiment", [GOOD], "pasted")
    flip = {"positive": "negative", "negative": "positive"}

    def answers(payload):
        said = {BANK[0]: TARGETS, "": ["?"] * 20, GOOD: [flip[t] for t in TARGETS]}
        lists = [said.get(text, [*TARGETS[:18], "*x*", "*x*"]) for text in payload["prompts"]]
        return {"fingerprint": "f", "answers": lists}

    engine["answers"]["equivalence"] = answers
    app = paraphrases(monkeypatch, tmp_path)
    assert "Nothing is marked by it" in text_of(app)
    assert "alike" not in frame_with(app, "frequency").columns
    app.number_input(key="alike-examples-sentiment-pocket").set_value(20).run()
    clicked(app, "ask-alike")
    ((kind, payload),) = engine["asked"]
    assert kind == "equivalence" and payload["examples"] == 20
    assert payload["prompts"] == [*BANK, GOOD, ""]
    bank, own = frame_with(app, "frequency"), frame_with(app, "note")
    assert bank["alike"].iloc[1] == "90 (70 to 97)" and own["alike"].iloc[0].startswith("0 (0 to")
    # Nothing is marked, and what the numbers say is said.
    assert bank["equivalent"].all() and own["equivalent"].all()
    assert "Without any instruction 0 % of the answers" in text_of(app)
    numbers = frame_with(app, "told")
    assert list(numbers["told"][:2]) == ["the original", "no instruction at all"]
    assert numbers.set_index("text").loc[GOOD, "told"] == "not above chance"
    assert len(frame_with(app, "under_this")) == 10
    check(app)
    # Another window, another day: what is known is shown, and only what is new is asked.
    asking._questions.clear()
    other = "Sort the remark: positive, or else negative."
    add_own_prompts(tmp_path, "sentiment", [other], "pasted")
    app = paraphrases(monkeypatch, tmp_path)
    assert app.number_input(key="alike-examples-sentiment-pocket").value == 20
    assert app.button(key="ask-alike").label == "Ask pocket about 1 prompt"
    clicked(app, "ask-alike")
    assert engine["asked"][1][1]["prompts"] == [other]
    # What was answered once is asked anew where it is not kept any more.
    (kept,) = (tmp_path / FOLDER).iterdir()
    content = json.loads(kept.read_text())
    del content["answers"][other]
    kept.write_text(json.dumps(content))
    app.run()
    assert app.button(key="ask-alike").label == "Ask pocket about 1 prompt"


def test_a_model_that_cannot_tell_and_an_engine_that_fails_are_said(monkeypatch, tmp_path, engine):
    engine["answers"]["equivalence"] = lambda payload: WorkError("It *broke*.")
    app = paraphrases(monkeypatch, tmp_path)
    clicked(app, "ask-alike")
    assert "It \\*broke\\*" in app.warning[0].value
    engine["answers"]["equivalence"] = lambda payload: {
        "fingerprint": "f",
        "answers": [["dog"] * payload["examples"] for _ in payload["prompts"]],
    }
    app.button(key="ask-alike-again").click().run()
    clicked(app, "ask-alike")
    said = app.warning[0].value.replace("\\", "")
    assert "Equivalence cannot be told with pocket" in said and "100 % of its answers" in said
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    asking._questions.clear()
    app = paraphrases(monkeypatch, tmp_path)
    assert "cannot be told" in app.warning[0].value
    assert not [b for b in app.button if b.key == "ask-alike"]


def test_a_metric_that_cannot_be_taken_here_is_said(monkeypatch, tmp_path):
    def refuse(*_):
        raise InputError("Metric *m* needs a package.")

    monkeypatch.setattr(equivalence, "compared", refuse)
    app = paraphrases(monkeypatch, tmp_path)
    assert "Metric \\*m\\* needs" in app.warning[0].value
