"""The ledger names every study of the declared side, and each spec was there before its run."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from sapo_analysis.spec import ParaphraseStudy, load_study, parse_study
from sapo_analysis.store import CACHED_RUNS, list_runs
from sapo_analysis.store.reader import Run
from sapo_analysis.tasks.pocket import DECLARED, TUNING
from tests.deciding import deciding

ROOT = Path(__file__).resolve().parent.parent
SPECS = CACHED_RUNS / "specs"
LEDGER = CACHED_RUNS / "LEDGER.md"
COLUMNS = ["date", "spec", "spec's commit", "run", "model", "kept", "why"]
MODELS = ("pocket-1", "pocket-2")
FIRST = 1000
NOT_YET = "–"


def all_seeds(study):
    more = ("state_seeds", "noise_seeds")
    return [*study.seeds, *(seed for name in more for seed in getattr(study, name, None) or ())]


def trained(study):
    """Every task that is learned."""
    return study.tasks if study.kind == "sequence" else (*study.past, *study.current)


def touches_declared(study):
    """Whether a study looks at anything that is kept for the declared side."""
    return (
        study.model in MODELS
        or study.data_seed >= FIRST
        or max(all_seeds(study)) >= FIRST
        or not set(trained(study)).isdisjoint(DECLARED)
    )


def strays(study):
    """What of a declared study is not on the declared side."""
    found = [] if study.model in MODELS else [f"model {study.model}"]
    found += [] if study.data_seed >= FIRST else [f"data_seed {study.data_seed}"]
    found += [f"seed {seed}" for seed in all_seeds(study) if seed < FIRST]
    return found + [f"task {t}" for t in trained(study) if t in TUNING]


def rows_of(text):
    """The table's rows as dicts."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    head, rule, *rest = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    assert head == COLUMNS and set("".join(rule)) == {"-"}
    assert all(len(cells) == len(COLUMNS) for cells in rest), "a row with too few or many cells"
    return [dict(zip(COLUMNS, (c.strip("`") for c in cells), strict=True)) for cells in rest]


def problems(text, specs, runs):
    """What the ledger lacks. `specs`: studies by file name; `runs`: (id, study) of shipped runs."""
    rows = rows_of(text)
    found = []
    for name, study in specs.items():
        if touches_declared(study):
            found += [f"{name}: {stray} is not on the declared side" for stray in strays(study)]
            if name not in [row["spec"] for row in rows]:
                found.append(f"{name}: no row")
    for run_id, study in runs:
        if touches_declared(study):
            mine = [row for row in rows if row["run"] == run_id]
            if [(r["spec"], r["model"], r["kept"]) for r in mine] != [
                (f"{study.name}.yaml", study.model, "yes")
            ]:
                found.append(f"{run_id}: not one row with its spec, its model and kept: yes")
    shipped = [run_id for run_id, _ in runs]
    for row in rows:
        said = f"{row['spec']} {row['run']}"
        if row["kept"] == "yes" and row["run"] not in shipped:
            found.append(f"{said}: kept, but not shipped")
        if row["run"] == NOT_YET:
            continue
        if not re.fullmatch(r"[0-9a-f]{7,40}", row["spec's commit"]):
            found.append(f"{said}: run without the commit of its spec")
        if row["kept"] not in ("yes", "no") or not row["why"].strip(NOT_YET):
            found.append(f"{said}: it is not said whether it is kept and why")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", row["date"]):
            found.append(f"{said}: no date")
    return found


def shipped():
    specs = {path.name: load_study(path) for path in sorted(SPECS.glob("*.yaml"))}
    runs = [(run.run_id, run.study) for run in list_runs([CACHED_RUNS]) if isinstance(run, Run)]
    return specs, runs


def test_it_lists_every_declared_spec_and_every_shipped_run_of_one():
    assert problems(LEDGER.read_text(encoding="utf-8"), *shipped()) == []


def git(*arguments):
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def test_each_spec_was_committed_before_its_run():
    if git("rev-parse", "--is-shallow-repository") != "false\n":
        pytest.skip("the history is not here")
    runs = {run.run_id: run for run in list_runs([CACHED_RUNS])}
    for row in rows_of(LEDGER.read_text(encoding="utf-8")):
        if row["run"] == NOT_YET:
            continue
        commit, spec = row["spec's commit"], row["spec"]
        text = git("show", f"{commit}:cached_runs/specs/{spec}")
        assert text is not None, f"commit {commit} has no cached_runs/specs/{spec}"
        if row["run"] in runs:
            run = runs[row["run"]]
            study = parse_study({"name": Path(spec).stem, **yaml.safe_load(text)}, spec)
            same = deciding(study) == deciding(run.study)
            assert same, f"{row['run']} was run from another spec than {commit} has"
            made_at = run.provenance["commit"]
            assert git("merge-base", "--is-ancestor", commit, made_at) is not None, (
                f"{row['run']} was made at {made_at}, which does not know {commit}"
            )


def study_of(**changes):
    settings = {
        "model": "pocket-1",
        "data_seed": 1000,
        "seeds": [1000, 1001],
        "noise_seeds": [1100],
    }
    tasks = {"current": ["a"], "unseen": ["b"]}
    return ParaphraseStudy(**{"name": "main", **settings, **tasks, **changes})


HEAD = f"text\n\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"
ROW = "| 2026-11-22 | `main.yaml` | `0123abc` | `main-00000000` | `pocket-1` | yes | planned |\n"


@pytest.fixture
def declared():
    return study_of()


def test_what_is_complete_passes(declared):
    shipped = {"main.yaml": declared}, [("main-00000000", declared)]
    assert problems(HEAD + ROW, *shipped) == []
    waiting = "| – | `main.yaml` | – | – | `pocket-1` | – | – |\n"
    assert problems(HEAD + waiting, {"main.yaml": declared}, []) == []
    aside = ROW.replace("yes | planned", "no | a fault in the seeds").replace("00000000", "1" * 8)
    assert problems(HEAD + aside + ROW, *shipped) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "main.yaml: no row"),
        ("", "main-00000000: not one row"),
        (ROW + ROW, "main-00000000: not one row"),
        (ROW.replace("pocket-1", "pocket-2"), "main-00000000: not one row"),
        (ROW.replace("yes", "no"), "main-00000000: not one row"),
        (ROW.replace("main.yaml", "other.yaml"), "main.yaml: no row"),
        (ROW + ROW.replace("00000000", "11111111"), "main-11111111: kept, but not shipped"),
        (ROW.replace("0123abc", "–"), "run without the commit of its spec"),
        (ROW.replace("planned", "–"), "it is not said whether it is kept and why"),
        (ROW.replace("2026-11-22", "–"), "no date"),
    ],
)
def test_what_is_missing_is_found(declared, text, said):
    found = problems(HEAD + text, {"main.yaml": declared}, [("main-00000000", declared)])
    assert any(said in problem for problem in found), found


def test_a_study_half_on_the_declared_side_is_found():
    half = study_of(seeds=[3, 1001])
    found = problems(HEAD + ROW, {"main.yaml": half}, [("main-00000000", half)])
    assert "main.yaml: seed 3 is not on the declared side" in found
    tuned = study_of(current=[TUNING[0]])
    found = problems(HEAD + ROW, {"main.yaml": tuned}, [])
    assert f"main.yaml: task {TUNING[0]} is not on the declared side" in found
    tuning = study_of(model="pocket", data_seed=0, seeds=[3], noise_seeds=[4])
    assert problems(HEAD, {"main.yaml": tuning}, [("main-00000000", tuning)]) == []
    for change in ({"current": [DECLARED[0]]}, {"past": [DECLARED[0]]}, {"noise_seeds": [1100]}):
        strayed = tuning.model_copy(update=change)
        assert "main.yaml: no row" in problems(HEAD, {"main.yaml": strayed}, [])


def test_a_damaged_table_is_no_ledger():
    with pytest.raises(AssertionError):
        rows_of(HEAD.replace("kept", "keep"))
    with pytest.raises(AssertionError, match="cells"):
        rows_of(HEAD + "| a | b |\n")
