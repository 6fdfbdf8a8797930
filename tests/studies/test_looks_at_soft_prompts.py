"""What looks see of soft prompts, against the prompts that a run keeps; runs from before that."""

import json

import gudhi
import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform

from sapo_analysis.analysis.reproduction import compare_tables
from sapo_analysis.errors import RunError
from sapo_analysis.models.soft_prompt_files import read_soft_prompt
from sapo_analysis.plan import make_plan
from sapo_analysis.records import PERSISTENCE, SOFT_PROMPT
from sapo_analysis.reuse import find_reusable
from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies.runner import run_to_end
from tests.tiny import tiny_study

pytestmark = pytest.mark.slow

STUDY = type(tiny_study()).model_validate(
    tiny_study().model_dump(exclude={"past", "retained", "noise_seeds", "evaluation"})
    | {"current": ["sentiment"], "unseen": ["rate"], "seeds": [0], "prompts": 1}
    | {"method": "prompt-tuning", "soft_prompt": {"virtual_tokens": 12, "learning_rate": 0.3}}
    | {"diagnostics": {"every": 2, "examples": 2, "shuffles": 1}, "keep_adapters": True}
    | {"evaluation": {"examples": 2, "n_predictions_kept": 2}}
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = create_run(tmp_path_factory.mktemp("runs"), STUDY)
    run_to_end(path)
    return open_run(path)


@pytest.fixture
def older(run, tmp_path):
    """The run as a version before this would have left it."""
    path = create_run(tmp_path, STUDY)
    for file in run.path.rglob("*"):
        if file.is_file() and "persistence" not in file.parts:
            other = path / file.relative_to(run.path)
            other.parent.mkdir(parents=True, exist_ok=True)
            other.write_bytes(file.read_bytes())
    seen = run.table("diagnostics")
    seen = seen[seen["subject"] != SOFT_PROMPT]
    seen.to_parquet(path / "tables" / "diagnostics" / "all.parquet", index=False)
    return path


def test_the_last_look_is_at_the_prompt_that_is_kept(run, pocket_model):
    bars, seen = run.table("persistence"), run.table("diagnostics")
    trials = run.table("trials")["trial_id"]
    assert len(trials) == 2 and set(bars["trial_id"]) == set(trials)
    assert not bars.duplicated(list(PERSISTENCE.keys)).any()
    assert sorted(set(bars["step"])) == [0, 2, 3]
    for trial in trials:
        prompt = read_soft_prompt(run.path / "adapters" / trial, pocket_model).double().numpy()
        tree = np.sort(minimum_spanning_tree(squareform(pdist(prompt))).data)
        whole = gudhi.RipsComplex(points=prompt).create_simplex_tree(max_dimension=2)
        whole.compute_persistence()
        loops = whole.persistence_intervals_in_dimension(1).reshape(-1, 2)
        mine = bars.query("trial_id == @trial and step == 3").set_index(["dimension", "pair"])
        np.testing.assert_allclose(mine.loc[0, "death"], tree, rtol=1e-9)
        assert (mine.loc[0, "birth"] == 0).all()
        found = mine.reindex([(1, i) for i in range(len(loops))])[["birth", "death"]]
        assert len(mine) == len(tree) + len(loops)
        np.testing.assert_allclose(found, loops[np.lexsort(loops.T[::-1])], rtol=1e-9)
        own = seen.query("trial_id == @trial and step == 3 and subject == @SOFT_PROMPT")
        values = own.set_index("name")["value"]
        assert values["h0_persistence"] == pytest.approx(tree.sum())
        assert values["h1_persistence"] == pytest.approx((loops[:, 1] - loops[:, 0]).sum())
        apart = prompt - prompt.mean(axis=0)
        share = np.sqrt(np.square(apart).sum() / np.square(prompt).sum())
        assert values["compactness"] == pytest.approx(1 - share)
        assert set(own["n_examples"]) == {12}


def test_what_was_seen_of_a_prompt_is_taken_over_with_it(run):
    found = find_reusable(make_plan(STUDY), [run])
    assert found.trial_ids == set(run.table("trials")["trial_id"])
    for name in ("persistence", "diagnostics"):
        assert found.tables[name].num_rows == len(run.table(name)) > 0


def test_a_run_from_before_reads_and_compares_as_it_is(run, older):
    before = open_run(older)
    assert before.table("persistence").empty
    assert all(one.holds for one in compare_tables(before, run, "equal"))
    assert not all(one.holds for one in compare_tables(run, before, "equal"))
    left = find_reusable(make_plan(STUDY), [before]).loans[0].left
    assert left == {f"their looks (diagnostics) were not at {SOFT_PROMPT}": 2}


def test_a_run_that_lost_its_diagrams_is_refused(run, older):
    file = older / "tables" / "diagnostics" / "all.parquet"
    file.write_bytes((run.path / "tables" / "diagnostics" / "all.parquet").read_bytes())
    with pytest.raises(RunError, match="table persistence is unreadable .* it is missing"):
        open_run(older).table("persistence")
    assert json.loads((older / "spec.json").read_text())["diagnostics"]["every"] == 2
