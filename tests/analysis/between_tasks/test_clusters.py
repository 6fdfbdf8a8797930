"""Clusters of tasks by average linkage, by hand and against scipy's own cuts of its tree."""

import json

import numpy as np
import pytest
from scipy.cluster.hierarchy import average, fcluster
from scipy.spatial.distance import squareform

from sapo_analysis.analysis.between_tasks.clusters import clusters_of

NAMES = np.array(["a", "b", "c", "d"], dtype=object)
R = np.array([[1, 0.1, 0.8, 0.2], [0.1, 1, 0.3, 0.6], [0.8, 0.3, 1, 0.0], [0.2, 0.6, 0.0, 1]])


def test_four_tasks_worked_out_by_hand():
    found = clusters_of(NAMES, R)
    assert [merge["members"] for merge in found.merges] == [
        ["a", "c"],
        ["b", "d"],
        ["a", "b", "c", "d"],
    ]
    # The last: 1 - mean of 0.1, 0.2, 0.3 and 0.
    assert [merge["height"] for merge in found.merges] == pytest.approx([0.2, 0.4, 0.85])
    assert {tuple(sorted(found.order[:2])), tuple(sorted(found.order[2:]))} == {
        ("a", "c"),
        ("b", "d"),
    }
    assert found.left_out == []


def test_every_cut_is_scipys():
    rng = np.random.default_rng(0)
    r = np.corrcoef(rng.normal(size=(9, 12)) + rng.normal(size=(1, 12)))
    names = np.array([f"t{i}" for i in range(9)], dtype=object)
    found = clusters_of(names, r)
    tree = average(squareform(1 - r, checks=False))
    for k in range(1, 9):
        label = dict(zip(names, fcluster(tree, k, "maxclust"), strict=True))
        for merge in found.merges[: 9 - k]:
            assert len({label[name] for name in merge["members"]}) == 1
    assert [merge["height"] for merge in found.merges] == pytest.approx(tree[:, 2])
    place = {name: i for i, name in enumerate(found.order)}
    for merge in found.merges:
        places = sorted(place[name] for name in merge["members"])
        assert places == list(range(places[0], places[0] + len(places)))


def test_tasks_that_lack_a_pair_are_left_out_and_named():
    r = R.copy()
    r[1] = r[:, 1] = np.nan
    found = clusters_of(NAMES, r)
    assert found.left_out == ["b"]
    assert sorted(found.order) == ["a", "c", "d"]
    r = R.copy()
    r[0, 2] = r[2, 0] = np.nan
    assert clusters_of(NAMES, r).left_out == ["a"]


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_tasks_have_no_clusters(n):
    found = clusters_of(NAMES[:n], R[:n, :n])
    assert (found.merges, found.order) == ([], list(NAMES[:n]))


def test_it_is_plain_data():
    document = clusters_of(NAMES, R).to_dict()
    assert json.loads(json.dumps(document)) == document


def test_a_perfect_r_has_no_height_below_zero():
    assert clusters_of(NAMES[:2], np.full((2, 2), 1 + 1e-15)).merges[0]["height"] == 0
