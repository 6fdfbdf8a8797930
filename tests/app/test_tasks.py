"""Tasks & prompts: the list, the tabs, own paraphrases from paste to study, what can be wrong."""

import json

import pytest

from sapo_analysis import jobs
from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.prompts import get_prompts
from sapo_analysis.store import open_run
from sapo_analysis.store.own_prompts import (
    add_own_prompts,
    change_own_prompt,
    mark_bank_prompt,
    read_own_prompts,
)
from sapo_analysis.tasks import list_tasks
from sapo_analysis.tasks.shipped_cards import card_names
from tests.app.test_explore import frame_with, html_of, opened, text_of
from tests.synthetic import write_run

PAGE = "views/tasks.py"
GOOD = "Does the sentence read as negative to you, or as positive?"
OTHER = "Sort the remark: positive, or else negative."
BANK = get_prompts("sentiment")
HOSTILE = [
    "<script>alert(1)</script> positive or negative?",
    "**Is** it [positive](javascript:alert(1)) or :red[negative] $x$ `y` today?",
    "\u202eIs it positive or is it negative?",
    '=HYPERLINK("http://x") Is it positive or negative?',
]
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """An engine that answers at once; `asked` holds what it was asked."""
    asked = []

    def probe(kind, payload, timeout=600, echo=False):
        asked.append((kind, payload))
        if kind == "tokens":
            return {"n_tokens": [len(text.split()) for text in payload["texts"]]}
        assert kind == "exact_prompt"
        tokens = [
            {"text": "<b>\n", "scored": False, "kind": "context"},
            {"text": "positive", "scored": True, "kind": "answer"},
            {"text": "<|end|>", "scored": True, "kind": "end"},
        ]
        found = {"tokens": tokens, "n_tokens": 3, "n_scored": 2, "chat_template": True}
        return {**found, "fits": True, "max_length": 512}

    monkeypatch.setattr(jobs, "probe", probe)
    return asked


def tasks(monkeypatch, folder, **query):
    app = opened(monkeypatch, folder)
    for name, value in {"task": "sentiment", **query}.items():
        app.query_params[name] = value
    app.switch_page(PAGE).run()
    assert not app.exception, app.exception[0].value
    return app


def paraphrases(monkeypatch, folder, **query):
    return tasks(monkeypatch, folder, tab="Paraphrases", **query)


def table(app, key):
    (found,) = [d for d in app.dataframe if (d.key or "").startswith(key)]
    return found


def checked(app, text):
    app.text_area(key="paste-sentiment").set_value(text)
    return app.button(key="check").click().run()


def edited(app, key, rows=(), deleted=()):
    changes = {"edited_rows": dict(rows), "deleted_rows": list(deleted), "added_rows": []}
    app.session_state[table(app, key).key] = changes
    app.run()
    assert not app.exception, app.exception[0].value
    return app


def test_the_list_has_every_task_by_family_and_the_address_names_one(monkeypatch, tmp_path):
    app = tasks(monkeypatch, tmp_path)
    names = {b.key.removeprefix("task-") for b in app.button if (b.key or "").startswith("task-")}
    assert names == {*(task.name for task in list_tasks()), *card_names()}
    groups = {e.label.partition(" :gray")[0] for e in app.expander}
    assert groups == {*(t.family for t in list_tasks()), "public data sets"}
    assert "### Sentiment" in text_of(app) and "a current or past task" in text_of(app)
    app.button(key="task-plus").click().run()
    assert app.query_params["task"] == "plus"
    assert "Use it as an unseen task. Shares its facts with add." in text_of(app)


def test_the_way_to_a_study_takes_the_task_along(monkeypatch, tmp_path):
    (link,) = tasks(monkeypatch, tmp_path, task="job").get("page_link")
    assert link.proto.label == "Use these in a study"
    assert (link.proto.page, link.proto.query_string) == ("launch", "task=job")


def test_a_link_restores_the_rows_and_says_what_it_asks_for_in_vain(monkeypatch, tmp_path):
    app = tasks(monkeypatch, tmp_path, task="sentiment", split="dev", row="20")
    rows = next(task for task in list_tasks() if task.name == "sentiment").examples("dev")
    assert frame_with(app, "input")["input"].iloc[0] == rows[20].input
    asked = {"tab": "Nowhere", "split": "no such", "model": "*m*", "row": "99999"}
    app = tasks(monkeypatch, tmp_path, task="sentiment", **asked)
    said = text_of(app).partition("The link asks for what is not here")[2]
    assert all(f"{name}={asked[name]}" in said for name in ("tab", "split", "model"))
    assert len(frame_with(app, "input")) == 10
    # A row that another split does not have is none there.
    app.number_input(key="row").set_value(590).run()
    app.button_group(key="split").set_value(["dev"]).run()
    assert not app.exception and len(frame_with(app, "input")) == 10


def test_the_list_is_searched_by_any_word(monkeypatch, tmp_path):
    app = tasks(monkeypatch, tmp_path)

    def found(words):
        app.text_input(key="find").set_value(words).run()
        return {b.key.removeprefix("task-") for b in app.button if (b.key or "")[:5] == "task-"}

    assert found("numbers unseen") == {"plus", "product"}
    assert found("NEGATIVE") == {"sentiment", "sst2"}
    assert found("<script> *") == set() and "No task has these words." in text_of(app)


@pytest.mark.parametrize("name", ["nope", "../../etc/passwd", "<b>x</b>", "a\0b", "x" * 5000])
def test_an_unknown_task_in_the_address_is_named_and_another_is_shown(monkeypatch, tmp_path, name):
    app = tasks(monkeypatch, tmp_path, task=name, split="all", model="nope", tab="None")
    ignored, warning = app.warning
    assert all(part in ignored.value for part in ("split=all", "model=nope", "tab=None"))
    assert "Unknown task" in warning.value and "<b>" not in warning.value.replace("\\<", "")
    assert "### Flag signals" in text_of(app)


def test_data_has_the_card_the_balance_and_ten_rows_of_a_split(monkeypatch, tmp_path):
    app = tasks(monkeypatch, tmp_path, split="test")
    splits, answers, rows = (frame_with(app, name) for name in ("split", "train", "input"))
    assert (
        list(splits["rows"]) == [600, 200, 500] and not splits[["repeated", "shared"]].any().any()
    )
    assert list(answers["target"]) == ["positive", "negative"]
    assert answers[["train", "dev", "test"]].sum().tolist() == pytest.approx([100] * 3)
    test = {t.name: t for t in list_tasks()}["sentiment"].examples("test")
    assert list(rows["input"]) == [row.input for row in test[:10]]
    app.number_input(key="row").set_value(490).run()
    assert list(frame_with(app, "input")["target"]) == [row.target for row in test[490:]]
    assert "share of outputs that name the target label" in text_of(app)
    (shown,) = [d for d in app.dataframe if "split" in d.value]
    config = json.loads(shown.proto.columns)
    assert "Rows whose input stands in another split" in config["shared"]["help"]


def test_free_text_has_no_balance(monkeypatch, tmp_path):
    app = tasks(monkeypatch, tmp_path, task="translate")
    assert "Free text, too many different answers to list" in text_of(app)


def test_the_instruction_is_shown_as_the_model_reads_it(monkeypatch, tmp_path, engine):
    app = tasks(monkeypatch, tmp_path, tab="Instruction")
    example = {t.name: t for t in list_tasks()}["sentiment"].examples("train")[0]
    shown = [code.value for code in app.code]
    assert shown == [
        BANK[0].text,
        f"{BANK[0].text}\n\nText:\n{example.input}",
        example.target,
    ]
    assert "Answer format, never paraphrased" in text_of(app)
    assert "None: nothing is appended" in text_of(app) and not engine
    app.toggle(key="tokens").set_value(True).run()
    assert engine[0][1]["prompt"] == BANK[0].text
    assert "2 of 3 tokens are scored" in text_of(app)
    assert "&lt;b&gt;↵" in html_of(app) and "&lt;|end|&gt; ⏎" in html_of(app)


@pytest.mark.parametrize("error", [InputError("No <b>torch</b>."), WorkError("It took too long.")])
def test_without_an_engine_the_page_says_so_and_stands(monkeypatch, tmp_path, error):
    def fails(*args, **kwargs):
        raise error

    monkeypatch.setattr(jobs, "probe", fails)
    app = tasks(
        monkeypatch, tmp_path, task="job", tab="Instruction", tokens="true", model="pocket-1"
    )
    assert str(error) in app.warning[0].value.replace("\\", "")
    app = paraphrases(monkeypatch, tmp_path, task="job", model="pocket-1")
    assert f"Tokens are not counted: {error}" in text_of(app)
    assert table(app, "bank-").value["n_tokens"].isna().all()


def test_frequencies_that_cannot_be_read_are_named_and_left_out(monkeypatch, tmp_path):
    def bank(task, folder=None, sources=()):
        if folder is not None:
            raise InputError("No counts by *text*.")
        return get_prompts(task, None)

    monkeypatch.setattr("sapo_analysis.prompts.get_prompts", bank)
    app = paraphrases(monkeypatch, tmp_path)
    assert "No counts by *text*." in text_of(app)
    assert table(app, "bank-").value["frequency"].isna().all()


def test_no_own_prompts_shows_the_bank_with_tokens_and_frequency(monkeypatch, tmp_path):
    app = paraphrases(monkeypatch, tmp_path)
    assert "None yet. Add some below" in text_of(app) and "(0 prompts offered" in text_of(app)
    bank = table(app, "bank-").value
    assert list(bank["text"]) == [prompt.text for prompt in BANK]
    assert list(bank["frequency"]) == [prompt.frequency for prompt in BANK]
    assert list(bank["n_tokens"]) == [len(prompt.text.split()) for prompt in BANK]
    assert bank["source"].iloc[-1] == "novel, test-only" and bank["equivalent"].all()
    assert not (tmp_path / ".prompts").exists()
    assert "Write 12 paraphrases" in app.code[0].value
    app.number_input(key="wanted").set_value(3).run()
    assert "Write 3 paraphrases" in app.code[0].value


def test_a_pasted_reply_is_checked_added_and_what_was_refused_stays(monkeypatch, tmp_path):
    app = paraphrases(monkeypatch, tmp_path)
    long = GOOD + " Take your time, for there is no hurry whatsoever about this question."
    reply = f"Sure, here are four:\n\n1. {OTHER}\n2. {BANK[0].text}\n3. {long}\n4. Is it good?"
    checked(app, reply)
    found = frame_with(app, "place")
    assert list(found["check"]) == ["✕ refused", "✓ use", "✕ refused", "? look", "✕ refused"]
    assert list(found["place"]) == [f"line {i}" for i in (1, 3, 4, 5, 6)]
    assert "repeats the original" in found["reasons"][2]
    assert "label 'positive'" in found["reasons"][4]
    captions = [caption.value for caption in app.caption]
    assert "1 can be added, 1 to look at, 3 refused: see below." in captions
    assert not (tmp_path / ".prompts").exists()  # nothing is added by looking
    app.button(key="add").click().run()
    assert read_own_prompts(tmp_path, "sentiment").usable == [OTHER]
    assert list(table(app, "own-").value["text"]) == [OTHER]
    assert list(frame_with(app, "place")["place"]) == [f"line {i}" for i in (1, 4, 5, 6)]
    assert app.text_area(key="paste-sentiment").value == ""
    app.checkbox(key="flagged-sentiment").check().run()
    app.button(key="add").click().run()
    assert read_own_prompts(tmp_path, "sentiment").usable == [OTHER, long]
    assert "times as long" in table(app, "own-").value["checks"][1]
    assert list(frame_with(app, "place")["place"]) == [f"line {i}" for i in (1, 4, 6)]


def test_an_uploaded_file_is_read_beside_the_pasted_text(monkeypatch, tmp_path):
    app = paraphrases(monkeypatch, tmp_path)
    app.file_uploader(key="file-sentiment-0").upload("a.csv", f'text\n"{GOOD}"\n'.encode())
    checked(app, OTHER)
    app.button(key="add").click().run()
    own = read_own_prompts(tmp_path, "sentiment").prompts
    assert [(p.text, p.source) for p in own] == [(GOOD, "uploaded"), (OTHER, "pasted")]
    assert app.file_uploader(key="file-sentiment-1").value is None  # read once, not again


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", b'["x",', "not JSON: line 1, column 6"),
        ("a.csv", "text\ngr\u00fcn".encode("latin-1"), "line 2 has the byte 0xfc"),
        ("a.txt", b"PK\x03\x04" + b"0" * 99, "zip archive or an office document"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_message(monkeypatch, tmp_path, name, content, says):
    app = paraphrases(monkeypatch, tmp_path)
    app.file_uploader(key="file-sentiment-0").upload(name, content)
    app.button(key="check").click().run()
    assert not app.exception and says in text_of(app)
    assert not [b for b in app.button if b.key == "add"]


def test_nothing_pasted_says_what_to_give(monkeypatch, tmp_path):
    app = paraphrases(monkeypatch, tmp_path)
    app.button(key="check").click().run()
    assert "holds no prompt. Give one per line" in text_of(app)


def test_hostile_text_is_shown_as_text(monkeypatch, tmp_path):
    app = paraphrases(monkeypatch, tmp_path)
    lines = [*HOSTILE, "x" * 100_000, "NUL \0 positive or negative?"]
    checked(app, "\n".join(lines))
    found = frame_with(app, "place")
    assert list(found["text"][:4]) == HOSTILE and len(found["text"][4]) < 500
    assert "100,000 characters; a prompt may have 10,000" in found["reasons"][4]
    assert "control character U+0000" in found["reasons"][5]
    app.checkbox(key="flagged-sentiment").check().run()
    app.button(key="add").click().run()
    assert sorted(table(app, "own-").value["text"]) == sorted(HOSTILE)
    shown = html_of(app) + " ".join(m.value for m in [*app.markdown, *app.caption, *app.info])
    assert "<script>" not in shown and "javascript:alert" not in shown.replace("\\", "")


def test_own_prompts_are_edited_row_by_row(monkeypatch, tmp_path):
    add_own_prompts(tmp_path, "sentiment", [GOOD, OTHER], "pasted")
    app = paraphrases(monkeypatch, tmp_path)
    assert list(table(app, "own-").value["n_tokens"]) == [len(t.split()) for t in (GOOD, OTHER)]
    new = "Is this remark negative in its mood, or positive?"
    edited(app, "own-", {0: {"use": False, "note": "<b>hm"}, 1: {"text": f" {new} "}})
    own = read_own_prompts(tmp_path, "sentiment")
    assert [(p.text, p.use, p.note) for p in own.prompts] == [
        (GOOD, False, "<b>hm"),
        (new, True, ""),
    ]
    assert own.usable == [new] and "(1 prompt offered to studies)" in text_of(app)
    assert list(table(app, "own-").value["text"]) == [GOOD, new]
    edited(app, "own-", {0: {"note": None}}, deleted=[1])
    assert [p.text for p in read_own_prompts(tmp_path, "sentiment").prompts] == [GOOD]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "is empty"),
        ("Is it good?", "does not name the label"),
        (BANK[3].text.upper(), "another case"),
        (OTHER + "!", "repeats a prompt of your own"),
        ("<|end|> positive or negative", "which models read as a mark"),
    ],
)
def test_an_edit_that_is_no_prompt_is_not_taken(monkeypatch, tmp_path, text, says):
    add_own_prompts(tmp_path, "sentiment", [GOOD, OTHER], "pasted")
    app = paraphrases(monkeypatch, tmp_path)
    edited(app, "own-", {0: {"text": text}})
    assert "The edit was not taken" in text_of(app) and says in text_of(app)
    assert list(table(app, "own-").value["text"]) == [GOOD, OTHER]


def test_what_another_window_changed_is_not_written_over(monkeypatch, tmp_path):
    add_own_prompts(tmp_path, "sentiment", [GOOD, OTHER], "pasted")
    app = paraphrases(monkeypatch, tmp_path)
    key = table(app, "own-").key
    change_own_prompt(tmp_path, "sentiment", GOOD, text=GOOD.upper())
    app.session_state[key] = {"edited_rows": {0: {"use": False}}, "deleted_rows": []}
    app.run()
    assert not app.exception
    assert [p.use for p in read_own_prompts(tmp_path, "sentiment").prompts] == [True, True]
    assert table(app, "own-").value["text"][0] == GOOD.upper()


def test_marks_are_set_in_both_tables_and_their_runs_are_named(monkeypatch, tmp_path):
    add_own_prompts(tmp_path, "sentiment", [GOOD], "pasted")
    app = paraphrases(monkeypatch, tmp_path)
    edited(app, "bank-", {3: {"equivalent": False}})
    edited(app, "own-", {0: {"equivalent": False}})
    assert read_own_prompts(tmp_path, "sentiment").excluded == {BANK[3].text, GOOD}
    assert "2 prompts of this task marked as not equivalent. No run here has any" in text_of(app)
    assert not table(app, "bank-").value["equivalent"][3]
    edited(app, "bank-", {3: {"equivalent": True}})
    assert read_own_prompts(tmp_path, "sentiment").excluded == {GOOD}
    edited(app, "bank-", {0: {"equivalent": False}})
    assert "The original says what the task is" in text_of(app)


def test_runs_with_marked_prompts_are_counted(monkeypatch, tmp_path):
    path = write_run(tmp_path, n_tasks=2, n_prompts=4, name="seen")
    (
        write_run(tmp_path, n_tasks=1, n_prompts=4, name="worse") / "tables/prompts/all.parquet"
    ).write_bytes(b"PAR1")
    from sapo_analysis.app.own_prompts import marked_prompts, runs_with_marks

    prompts = open_run(path).table("prompts")
    text = prompts[prompts["task"] == "current-1"]["text"].iloc[2]
    monkeypatch.setenv("SAPO_RUNS", str(tmp_path))
    monkeypatch.setattr("sapo_analysis.app.data.CACHED_RUNS", tmp_path / "none-shipped")
    assert runs_with_marks("current-1", {text, "not there"}) == {path.name: (1, 4)}
    assert runs_with_marks("current-1", set()) == {}
    (pair,) = marked_prompts(open_run(path), {"current-1": {text}})
    assert pair[0] == "current-1" and marked_prompts(open_run(path), {}) == []
    mark_bank_prompt(tmp_path, "sentiment", "x", False)
    assert marked_prompts(open_run(path)) == []


def test_a_damaged_file_of_own_prompts_spares_the_rest_and_can_be_set_aside(monkeypatch, tmp_path):
    path = tmp_path / ".prompts" / "sentiment.json"
    path.parent.mkdir()
    path.write_text('{"task": "<b>', "utf-8")
    app = paraphrases(monkeypatch, tmp_path)
    (error,) = app.error
    assert "cannot be read" in error.value and str(path) in error.value.replace("\\", "")
    assert len(table(app, "bank-").value) == 25
    checked(app, GOOD)
    app.button(key="add").click().run()
    assert "The file was left as it is" in app.error[-1].value.replace("\\", "")
    assert path.read_text("utf-8") == '{"task": "<b>'
    app.button(key="set-aside").click().run()
    assert "None yet" in text_of(app) and "The file is now" in text_of(app)
    assert [p.read_text("utf-8") for p in path.parent.glob("*set-aside*")] == ['{"task": "<b>']
    app.button(key="add").click().run()
    assert read_own_prompts(tmp_path, "sentiment").usable == [GOOD]


def test_a_read_only_server_shows_and_checks_but_keeps_nothing(monkeypatch, tmp_path):
    add_own_prompts(tmp_path, "sentiment", [GOOD], "pasted")
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    app = paraphrases(monkeypatch, tmp_path)
    for key in ("own-", "bank-"):
        assert table(app, key).proto.disabled
    checked(app, OTHER)
    assert list(frame_with(app, "place")["check"]) == ["✓ use"]
    assert not [b for b in app.button if b.key == "add"]
    assert "This server is read-only: download them" in text_of(app)
    edited(app, "own-", {0: {"use": False}}, deleted=[0])  # whatever a browser may send
    assert "This server is read-only: no prompts can be changed" in text_of(app)
    assert read_own_prompts(tmp_path, "sentiment").usable == [GOOD]


def test_what_was_checked_for_one_task_is_not_shown_for_another(monkeypatch, tmp_path):
    app = checked(paraphrases(monkeypatch, tmp_path), OTHER)
    app.button(key="task-job").click().run()
    assert not app.exception
    assert not [d for d in app.dataframe if "place" in d.value]
    assert len(table(app, "bank-job").value) == 25
