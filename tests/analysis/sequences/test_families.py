"""Runs that are one study in several orders stand together."""

from sapo_analysis.analysis.sequences import families
from sapo_analysis.store import open_run
from tests.analysis.sequences.test_metrics import ORDERS, noisy
from tests.synthetic_sequence import write_sequence_run


def of(folder, name, **given):
    return open_run(write_sequence_run(folder, noisy, name=name, **given))


def named(runs):
    return [[run.study.name for run in family] for family in families(runs)]


def test_orders_of_one_study_are_a_family(tmp_path):
    runs = [of(tmp_path, f"order-{i}", orders=[order]) for i, order in enumerate(ORDERS)]
    assert named(runs) == [["order-0", "order-1", "order-2"]]


def test_an_order_stands_in_a_family_once(tmp_path):
    runs = [
        of(tmp_path, "one", orders=ORDERS[:1]),
        of(tmp_path, "again", orders=ORDERS[:2]),
        of(tmp_path, "two", orders=ORDERS[1:2]),
    ]
    assert named(runs) == [["one", "two"], ["again"]]


def test_other_strategies_settings_or_tasks_are_another_family(tmp_path):
    runs = [
        of(tmp_path, "one", orders=ORDERS[:1]),
        of(tmp_path, "strategies", orders=ORDERS[1:2], strategies=["original", "sapo"]),
        of(tmp_path, "settings", orders=ORDERS[1:2], test_only=False),
        of(tmp_path, "tasks", orders=[["a", "b"]]),
        of(tmp_path, "two", orders=ORDERS[1:2]),
    ]
    assert named(runs) == [["one", "two"], ["strategies"], ["settings"], ["tasks"]]


def test_no_runs_are_no_family():
    assert families([]) == []
