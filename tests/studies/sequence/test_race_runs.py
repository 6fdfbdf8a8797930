"""A race as it is run beside its study: what of it is the study's parent state, and what is not."""

import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis import races
from sapo_analysis.analysis.prompt_means import prompt_means
from sapo_analysis.plan import BASE_STATE
from sapo_analysis.plan.race import race_of
from sapo_analysis.same_loss import is_same_loss
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies.runner import run_to_end

pytestmark = pytest.mark.slow


def finished(folder, study):
    path = create_run(folder, study)
    run_to_end(path)
    return open_run(path)


def both(folder, past):
    study = ParaphraseStudy.model_validate(
        {
            "name": "raced",
            "past": past,
            "current": ["sentiment"],
            "unseen": ["place"],
            "prompts": 2,
            "seeds": [3],
            "training": {"examples": 12, "batch_size": 4, "steps": 3},
            "scoring": {"examples": 9},
            "evaluation": {"examples": 5, "n_predictions_kept": 0},
            "device": "cpu",
        }
    )
    run = finished(folder, study)
    return run, finished(folder, race_of(study, run))


def losses(run, state_id):
    """Of a state under original prompts, by task."""
    scores, prompts = run.table("scores"), run.table("prompts")
    originals = set(prompts.loc[prompts["source"] == "original", "prompt_id"])
    own = scores[(scores["state_id"] == state_id) & scores["trial_id"].isna()]
    own = own[own["test_prompt"].isin(originals)]
    return dict(zip(own["eval_task"], own["loss"], strict=True))


def candidate_losses(run, state_id):
    rows = run.table("indicators").query("name == 'pre_update_loss' and task == 'sentiment'")
    rows = rows[rows["state_id"] == state_id]
    assert rows["exact"].all()
    return dict(zip(rows["prompt_id"], rows["value"], strict=True))


def points(study, race, y, role):
    found = races.match([study], race)
    df = analysis.impacts(study)
    texts = study.table("prompts"), race.table("prompts")
    rows = races.race_impacts(found, races.of_tables(race), df, *texts)
    return found, races.race_points(rows, prompt_means(df, y, role=role), y, role, found).table


def test_from_the_base_model_states_and_losses_are_the_studys(tmp_path):
    study, race = both(tmp_path, past=[])
    mine, theirs = losses(study, BASE_STATE), losses(race, BASE_STATE)
    assert mine.keys() == theirs.keys() == {"sentiment", "place"}
    assert all(is_same_loss(mine[task], theirs[task]) for task in mine)
    mine, theirs = candidate_losses(study, BASE_STATE), candidate_losses(race, BASE_STATE)
    assert mine.keys() == theirs.keys()
    assert all(is_same_loss(mine[prompt], theirs[prompt]) for prompt in mine)
    found, table = points(study, race, "generalization", "unseen")
    assert found.tasks == {"sentiment": races.SAME_STATE}
    assert found.differing == found.notes == ()
    assert set(table["policy"]) == {"original", "random", "sapo"}
    chosen = table.set_index("policy").loc["sapo"]
    assert chosen["prompt_id"] == min(mine, key=mine.__getitem__)
    assert is_same_loss(chosen["pre_update_loss"], chosen["study_x"])


def test_a_past_is_learned_by_another_fine_tune_and_it_is_said(tmp_path):
    study, race = both(tmp_path, past=["translate"])
    after_past = {
        run.table("trials").query("current_task == 'sentiment'")["state_id"].iloc[0]: run
        for run in (study, race)
    }
    chains = race.table("chains").query("stage == 2")
    assert chains["state_id"].nunique() == 1  # every strategy stands where the study's past ends
    mine, theirs = (losses(run, state) for state, run in after_past.items())
    # The streams of the two kinds of studies differ, so the weights do: this is what the note says.
    assert not all(is_same_loss(mine[task], theirs[task]) for task in ("translate", "sentiment"))
    found, table = points(study, race, "forgetting", "past")
    assert found.tasks == {"sentiment": races.SAME_TASKS}
    assert "by another fine-tune" in found.notes[0]
    assert set(table["policy"]) == {"original", "random", "sapo"}
    assert table["pre_update_loss"].notna().all()  # candidates are scored in full, for all rivals
    state = chains["state_id"].iloc[0]
    known = candidate_losses(race, state)
    for row in table.to_dict("records"):
        assert row["pre_update_loss"] == known[row["prompt_id"]]
