from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner

from tests.app.browsing import MAIN as MAIN
from tests.synthetic import Truth, write_run


@pytest.fixture(scope="session", autouse=True)
def components_looked_for_once():
    """Each `AppTest` would read what all installed packages say of themselves: half of its time."""
    with pytest.MonkeyPatch.context() as patch:
        scan = manifest_scanner.scan_component_manifests
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(scan))
        yield


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """One run of each state, by the name of its study."""
    folder = tmp_path_factory.mktemp("runs")
    repeated = {"noise_seeds": (7, 8, 9), "truth": Truth(rounding=0.2)}
    made = {
        "few": write_run(folder, n_tasks=3, n_prompts=10, name="few", **repeated),
        "many": write_run(folder, n_tasks=5, n_prompts=10, name="many"),
        "partial": write_run(folder, n_tasks=3, n_prompts=8, name="partial", finish=False),
        "random": write_run(folder, n_tasks=3, n_prompts=8, name="random", weights="random"),
        "damaged": write_run(folder, n_tasks=2, n_prompts=5, name="damaged"),
        "no-spec": write_run(folder, n_tasks=2, n_prompts=5, name="no-spec"),
    }
    (made["damaged"] / "tables" / "scores" / "all.parquet").write_bytes(b"PAR1")
    (made["no-spec"] / "spec.json").write_text("{", encoding="utf-8")
    return made
