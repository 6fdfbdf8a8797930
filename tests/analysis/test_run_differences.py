"""Only what differs: settings and conditions, with what a run does not have."""

from sapo_analysis.analysis.run_differences import NOT_THERE, only_what_differs
from sapo_analysis.store import create_run, layout, open_run
from tests.tiny import tiny_study
from tests.tiny_sequence import tiny_sequence


def made(folder, study, provenance=None):
    path = create_run(folder, study)
    if provenance is not None:
        layout.write_json(path / layout.PROVENANCE, provenance)
    return open_run(path)


def test_settings_and_conditions_that_differ_and_no_others(tmp_path):
    same = {"device": "cpu", "cost": {"seconds": 1}, "started": "2026", "sessions": [1]}
    one = made(tmp_path, tiny_study(), {**same, "model": {"fingerprint": "a"}, "threads": 1})
    changed = tiny_study().model_copy(update={"seeds": (0, 5), "name": "<b>other"})
    other = {**same, "cost": {"seconds": 2}, "started": "2027", "model": {"fingerprint": "b"}}
    two = made(tmp_path, changed.model_copy(update={"name": "other"}), other)
    found = only_what_differs([one, two]).set_index("key")
    assert found[one.run_id].to_dict() == {
        "name": "tiny",
        "seeds": "[0, 1]",
        "made with model.fingerprint": "a",
        "made with threads": "1",
    }
    assert found.loc["made with threads", two.run_id] == NOT_THERE


def test_a_run_not_begun_differs_in_no_condition(tmp_path):
    one = made(tmp_path, tiny_study(), {"device": "cpu", "packages": {"torch": "2"}})
    found = only_what_differs([one, made(tmp_path, tiny_study())])
    assert found.empty and list(found.columns)[0] == "key"


def test_of_another_kind_every_setting_of_its_own_is_listed(tmp_path):
    one, two = made(tmp_path, tiny_study()), made(tmp_path, tiny_sequence())
    found = only_what_differs([one, two]).set_index("key")
    assert found.loc["orders", one.run_id] == NOT_THERE
    assert found.loc["current", two.run_id] == NOT_THERE


def test_long_values_are_cut(tmp_path):
    long = tiny_study().model_copy(update={"own_prompts": {"sentiment": ("word " * 500,)}})
    found = only_what_differs([made(tmp_path, long), made(tmp_path, tiny_study())])
    (text,) = found.set_index("key").filter(like="own_prompts", axis=0).iloc[:, 0]
    assert len(text) < 210 and text.endswith("…")


def test_long_values_that_differ_at_their_end_are_told_apart(tmp_path):
    one, two = (
        made(
            tmp_path,
            tiny_study().model_copy(update={"own_prompts": {"sentiment": ("word " * 99 + end,)}}),
        )
        for end in ("good", "bad")
    )
    found = only_what_differs([one, two]).set_index("key").loc["own_prompts.sentiment"]
    assert found[one.run_id].startswith("… ") and found[one.run_id].endswith('word good"]')
    assert found[two.run_id].endswith('word bad"]') and len(found[two.run_id]) < 60
