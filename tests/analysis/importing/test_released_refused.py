"""Released outputs that cannot be used: what is wrong is said, and nothing is written."""

import json
import os
import re

import pytest

from sapo_analysis.analysis.importing import import_released
from sapo_analysis.analysis.importing.released.names import strategy_of, tasks_of
from sapo_analysis.errors import InputError
from sapo_analysis.store import released
from sapo_analysis.store.access import READ_ONLY
from tests.released import SUPER_NI, write_base, write_outputs

TASKS = list(SUPER_NI.values())
FIRST = "1-task195"
ALL = "all_results.json"
LINES = "predict_eval_predictions.jsonl"
PROMPTS = f"{FIRST}/prompts_train"


@pytest.fixture
def outputs(tmp_path):
    return write_outputs(tmp_path / "saves", "LoraInc_SAPO", outputs=2) / "outputs"


def refused(folders, tmp_path, **options):
    with pytest.raises(InputError) as error:
        import_released(folders, tmp_path / "runs", **options)
    assert not (tmp_path / "runs").exists()
    text = str(error.value)
    assert "Traceback" not in text and str(tmp_path) not in text
    return text


def edit(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def line(path, change):
    """Change the first row of a file of outputs."""
    first, *rest = path.read_text().splitlines()
    row = json.loads(first)
    change(row)
    path.write_text("\n".join([json.dumps(row), *rest]))


def test_every_missing_score_is_named(outputs, tmp_path):
    (outputs / FIRST / ALL).unlink()
    keys = [f"predict_rougeL_for_{task}" for task in TASKS]
    values = {keys[0]: None, keys[1]: float("nan")}
    edit(outputs / "2-task1310" / ALL, lambda data: data.update(values))
    edit(outputs / "3-task273" / ALL, lambda data: data.pop(keys[2]))
    text = refused(outputs, tmp_path)
    assert f"outputs/{FIRST} has no {ALL}: no score on {', '.join(TASKS)}." in text
    assert f"on {TASKS[0]} (not there), {TASKS[1]} (nan)." in text
    assert f"outputs/3-task273/{ALL}" in text and f"on {TASKS[2]} (not there)." in text
    assert text.count("never becomes a zero") == 2 and text.startswith("'outputs' is not imported")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("80", "str in place of a number"),
        (True, "bool in place"),
        (101, "101, not between"),
        (10**400, "inf, not"),
    ],
)
def test_a_score_that_is_no_score_is_missing(outputs, tmp_path, value, says):
    edit(outputs / FIRST / ALL, lambda data: data.update({f"predict_rougeL_for_{TASKS[0]}": value}))
    assert f"{TASKS[0]} ({says}" in refused(outputs, tmp_path)


BAD_FILES = [
    (ALL, "{", f"{ALL} is not JSON, or was cut off"),
    (ALL, "[" * 100_000, f"{ALL} is not JSON, or was cut off"),
    (ALL, "[1]", f"{ALL} holds list, not a JSON object"),
    (ALL, '{"epoch": 1, "epoch": 2}', f"{ALL} has the key 'epoch' twice"),
    (ALL, '{"a": "\xff"}'.encode("latin-1"), f"{ALL} is not encoded in UTF-8: byte 7"),
    (ALL, "{}".encode("utf-16"), f"{ALL} is not encoded in UTF-8"),
    (LINES, "{}\n", "row 1 has no 'Instance'"),
    (LINES, '{"Instance": {"id": "0"}', f"{LINES}, line 1 is not JSON"),
    ("prompts_train/instructions.json", '{"a": 1}', "'a' has no text as its 'instruction'"),
    (
        "prompts_train/instruction_0.json",
        json.dumps({TASKS[0]: {"instruction": "x" * 20_001}}),
        "has 20,001 characters; at most 20,000",
    ),
    (
        "prompts_train/instruction_0.json",
        '{"other": {"instruction": "x"}}',
        f"no instruction for '{TASKS[0]}'",
    ),
    ("prompts_train/predict_results_0.json", "{}", "'predict_samples' is no number of examples"),
    (
        "prompts_train/predict_results_0.json",
        '{"predict_samples": 8}',
        "has no 'predict_loss'",
    ),
    (
        "prompts_train/predict_results_0.json",
        '{"predict_samples": 8, "predict_loss": -1.0}',
        "'predict_loss' is -1, which is no loss",
    ),
    (
        "prompts_train/predict_results_0.json",
        '{"predict_samples": 8, "predict_loss": 1%s}' % ("0" * 400),
        "'predict_loss' is inf, which is no loss",
    ),
    (
        "prompts_train/predict_results_0.json",
        '{"predict_samples": 8, "predict_loss": "low"}',
        "'predict_loss' holds str, not a number",
    ),
    (
        "prompts_train/predict_results_0.json",
        '{"predict_samples": 1000000000000, "predict_loss": 1.0}',
        "'predict_samples' is no number of examples",
    ),
]


@pytest.mark.parametrize(("name", "content", "says"), BAD_FILES)
def test_a_file_that_is_none_is_named(outputs, tmp_path, name, content, says):
    content = content.encode() if isinstance(content, str) else content
    (outputs / FIRST / name).write_bytes(content)
    text = refused(outputs, tmp_path)
    assert says in text and f"outputs/{FIRST}/{name.split('/')[0]}" in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda row: row.pop("Prediction"), "'Prediction' is missing"),
        (lambda row: row.update(Dataset=3), "'Dataset' holds int"),
        (lambda row: row["Instance"].update(id="01"), "row '1' of"),
        (lambda row: row["Instance"].update(id="../0"), "id '../0' is not the number of a row"),
        (lambda row: row["Instance"].update(sentence="other"), f"on other rows of {TASKS[0]}"),
        (lambda row: row.update(Dataset=TASKS[1]), "row '0' of"),
    ],
)
def test_a_row_of_outputs_that_is_none_is_named(outputs, tmp_path, change, says):
    line(outputs / FIRST / LINES, change)
    assert says in refused(outputs, tmp_path)


def test_other_numbers_of_rows_do_not_compare(outputs, tmp_path):
    path = outputs / "2-task1310" / LINES
    path.write_text("\n".join(path.read_text().splitlines()[1:]))
    assert f"tested on 1 rows of {TASKS[0]}, " in refused(outputs, tmp_path)


def test_large_files_are_not_read(outputs, tmp_path, monkeypatch):
    monkeypatch.setattr(released, "MAX_LINE_MB", 0)
    assert "line 1 is longer than 0 MB" in refused(outputs, tmp_path)
    monkeypatch.setattr(released, "MAX_LINES_MB", 0)
    assert f"{FIRST}/{LINES} has 0 MB; at most 0 MB are read" in refused(outputs, tmp_path)
    monkeypatch.setattr(released, "MAX_JSON_MB", 0)
    assert f"{FIRST}/{ALL} has 0 MB; at most 0 MB are read" in refused(outputs, tmp_path)
    monkeypatch.setattr(released, "MAX_CANDIDATES", 2)
    monkeypatch.setattr(released, "MAX_JSON_MB", 20)
    monkeypatch.setattr(released, "MAX_LINES_MB", 20)
    monkeypatch.setattr(released, "MAX_LINE_MB", 20)
    assert "holds more than 2 candidates" in refused(outputs, tmp_path)
    monkeypatch.setattr(released, "MAX_FOLDERS", 1)
    assert "holds more than 1 folders" in refused(tmp_path / "saves", tmp_path)


@pytest.mark.parametrize("name", [FIRST, f"{FIRST}/{ALL}", PROMPTS, f"{PROMPTS}/instructions.json"])
def test_links_are_not_followed(outputs, tmp_path, name):
    away = tmp_path / "away"
    (outputs / name).rename(away)
    (outputs / name).symlink_to(away)
    assert f"outputs/{name} is a link, and links are not followed" in refused(outputs, tmp_path)


def test_what_is_no_plain_file_is_not_read(outputs, tmp_path):
    path = outputs / FIRST / ALL
    path.unlink()
    os.mkfifo(path)
    assert f"{FIRST}/{ALL} is not a file" in refused(outputs, tmp_path)


def test_stages_are_numbered_without_a_gap(outputs, tmp_path):
    (outputs / "2-task1310").rename(outputs / "4-task1310")
    assert "numbered 1, 3, 4, and not 1, 2, 3" in refused(outputs, tmp_path)
    (outputs / "4-task1310").rename(outputs / "3-task1310")
    assert "numbered 1, 3, 3" in refused(outputs, tmp_path)


def test_a_single_stage_is_no_sequence(tmp_path):
    folder = write_outputs(tmp_path / "saves", tasks={"task195": TASKS[0]})
    assert "has a single stage" in refused(folder, tmp_path)


def test_a_folder_has_to_name_its_strategy(tmp_path):
    text = refused(write_outputs(tmp_path / "saves", "Mine"), tmp_path)
    assert "no folder that names its strategy" in text and "O-LoRA_SAPO" in text


def test_a_strategy_that_chooses_nothing_has_no_candidates(tmp_path):
    write_outputs(tmp_path / "saves", "O-LoRA_SAPO")
    (tmp_path / "saves" / "O-LoRA_SAPO").rename(tmp_path / "saves" / "O-LoRA")
    text = refused(tmp_path / "saves", tmp_path)
    assert "but the folder above it says original+o-lora, which chooses among none" in text


def test_folders_that_do_not_compare_are_refused_by_name(tmp_path):
    saves = tmp_path / "saves"
    one = write_outputs(saves)
    others = {
        "several models: qwen3-8b": write_outputs(saves, model="llama2"),
        "several sets of tasks": write_outputs(
            saves, order="trace", tasks={"fomc": "FOMC", "meet": "MeetingBank"}
        ),
        "are both original+lora-inc on": write_outputs(saves, order="again"),
    }
    for says, other in others.items():
        assert says in refused([one, other], tmp_path)
    turned = dict(reversed(SUPER_NI.items()))
    two = write_outputs(saves, order="turned", tasks=turned)
    third = write_outputs(saves, "O-LoRA")
    text = refused([one, two, third], tmp_path)
    assert f"no original+o-lora on {' > '.join(turned.values())}" in text


def test_originals_have_to_be_the_same(tmp_path):
    saves = tmp_path / "saves"
    write_outputs(saves, "LoraInc", outputs=1)
    other = write_outputs(saves, "LoraInc_SAPO")
    path = other / "outputs" / PROMPTS / "instruction_-1.json"
    edit(path, lambda data: data[TASKS[0]].update(instruction="Another one."))
    text = refused(saves, tmp_path)
    assert f"another original prompt for {TASKS[0]}" in text and "'Another one.'" in text


def test_losses_need_their_prompts(outputs, tmp_path):
    (outputs / PROMPTS / "instruction_1.json").unlink()
    assert "no instruction_N.json for N = 1" in refused(outputs, tmp_path)


def test_the_base_model_needs_every_score(outputs, tmp_path):
    base = write_base(tmp_path / "base.json", [50.0, None, 10.0])
    text = refused(outputs, tmp_path, base=base)
    assert "base.json has no ROUGE-L of the base model" in text and TASKS[1] in text
    (tmp_path / "list.json").write_text("[]")
    assert "list.json holds list" in refused(outputs, tmp_path, base=tmp_path / "list.json")
    with pytest.raises(InputError, match=r"No file '.*nowhere.json'"):
        import_released(outputs, tmp_path / "runs", base=tmp_path / "nowhere.json")


def test_a_read_only_server_imports_nothing(outputs, tmp_path, monkeypatch):
    monkeypatch.setenv(READ_ONLY, "1")
    assert "read-only" in refused(outputs, tmp_path)


def test_a_folder_of_configurations_holds_no_outputs(tmp_path):
    folder = tmp_path / "ni_seq_c1" / FIRST
    folder.mkdir(parents=True)
    (folder / "train_tasks.json").write_text("[]")
    assert "ni_seq_c1 holds no released outputs" in refused(tmp_path / "ni_seq_c1", tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        import_released(tmp_path / "nowhere", tmp_path / "runs")


NAMES = ["task1_a", "task12_b", "task1343_c", "C-STANCE", "FOMC", "NumGLUE-cm", "NumGLUE-ds"]


@pytest.mark.parametrize(
    ("folder", "task"),
    [
        ("task1", "task1_a"),
        ("task12", "task12_b"),
        ("task1343_c", "task1343_c"),
        ("cstance", "C-STANCE"),
        ("fomc", "FOMC"),
        ("numgulecm", "NumGLUE-cm"),
        ("NumGLUE_CM", "NumGLUE-cm"),
    ],
)
def test_a_folder_fits_a_whole_name(folder, task):
    assert tasks_of([folder], [*NAMES, "SUPERNI"]) == {folder: task}


@pytest.mark.parametrize(
    ("folders", "scored", "says"),
    [
        (["task134"], NAMES, "'task134' fits none"),
        (["NumGLUE"], NAMES, "'NumGLUE' fits none"),
        (["SUPERNI"], ["SUPERNI"], "Scores: none"),
        (["task1"], ["task1_a", "task1_b"], "'task1' fits 'task1_a' and 'task1_b'"),
        (["task1", "task1_a"], NAMES, "'task1' and 'task1_a' all fit 'task1_a'"),
        (["a-b"], ["A.B", "A_B"], "'a-b' fits 'A.B' and 'A_B'"),
    ],
)
def test_what_fits_none_or_several_lists_both_sides(folders, scored, says):
    with pytest.raises(InputError, match=re.escape(says)) as error:
        tasks_of(folders, scored)
    assert f"Folders: {', '.join(folders)}." in str(error.value)
    assert all(name in str(error.value) for name in scored if name != "SUPERNI")


@pytest.mark.parametrize(
    ("above", "strategy", "place"),
    [
        (("saves", "LoraInc", "qwen3-8b", "x"), "original+lora-inc", 1),
        (("LoRAInc+SAPO", "x"), "sapo+lora-inc", 0),
        (("O-LoRA_SAPO", "x"), "sapo+o-lora", 0),
        (("saves", "random+ewc", "m", "x"), "random+ewc", 1),
        (("O-LoRA", "LoraInc", "x"), "original+lora-inc", 1),
    ],
)
def test_a_path_names_a_strategy(above, strategy, place):
    found = strategy_of(above)
    assert found is not None and (str(found[0]), found[1]) == (strategy, place)


def test_no_part_of_a_name_is_a_strategy():
    assert strategy_of(("my-O-LoRA-runs", "mine+lora", "x")) is None
