"""Work that a process of its own would do, done here: for tests of what is asked and printed.

Processes take five seconds of imports each. How they are started, followed and stopped is tested in
`tests/jobs`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from sapo_analysis import jobs, worker
from sapo_analysis.jobs import foreground
from sapo_analysis.store import open_run
from sapo_analysis.studies.runner import run_to_end


@contextmanager
def working() -> Iterator[None]:
    """Until it is left, `jobs.run_study` and `jobs.probe` start no process."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(foreground, "continue_run", _continue_run)
        patch.setattr(jobs, "probe", _probe)
        yield
    torch.set_num_threads(threads)


def _continue_run(path: Path, progress: Any = None, engine: Any = None) -> Path:
    worker._quiet()
    run_to_end(path, engine or "stacked")
    if progress is not None:
        progress(path, open_run(path).status)
    return path


def _probe(kind: str, payload: Any, *_: Any) -> Any:
    answer = worker._PROBES[kind](json.loads(json.dumps(payload)))
    return json.loads(json.dumps(answer))
