"""Peak memory of a stack: `python -m sapo_analysis.bench.memory`, payload on stdin.

In a process of its own, so that nothing done before is counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import torch

from sapo_analysis.bench.arms import ours
from sapo_analysis.bench.peak_memory import forget_peak
from sapo_analysis.bench.presets import Preset, Shape
from sapo_analysis.bench.workload import Workload, make_workload
from sapo_analysis.errors import WorkError
from sapo_analysis.models.loading import choose_device
from sapo_analysis.spec import LoraSettings
from sapo_analysis.studies.meter import peak_bytes

_STEPS = 3


def measure_memory(work: Workload) -> dict[str, Any]:
    """Bytes that one more adapter adds to the peak while training, and the peaks themselves."""
    n = work.preset.n_adapters
    one, all_of_them = (_in_own_process(work, k) for k in (1, n))
    return {
        "peak_bytes_per_adapter": max(0, all_of_them - one) / (n - 1),
        "peak_bytes_one_adapter": one,
        "peak_bytes_stack": all_of_them,
        "stack": n,
        "of": "GPU memory" if work.device == "cuda" else "the whole process",
    }


def _in_own_process(work: Workload, n: int) -> int:
    payload = {
        "preset": asdict(work.preset),
        "lora": work.lora.model_dump(mode="json"),
        "device": work.device,
        "n": n,
    }
    done = subprocess.run(
        [sys.executable, "-m", "sapo_analysis.bench.memory"],
        input=json.dumps(payload),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise WorkError(f"Memory could not be measured with {n} adapters: {last[0]}")
    return int(done.stdout.splitlines()[-1])


def _from_data(data: dict[str, Any]) -> Preset:
    shape = data.pop("shape")
    for name in ("steps", "eval_batches"):
        data[name] = tuple(data[name])
    return Preset(**data, shape=None if shape is None else Shape(**shape))


def main() -> None:
    """Train a stack for some steps and print the most memory held."""
    payload = json.load(sys.stdin)
    torch.set_num_threads(1)  # threads change no memory, and two processes' would collide
    preset = _from_data(payload["preset"])
    lora = LoraSettings.model_validate(payload["lora"])
    work = make_workload(preset, choose_device(payload["device"]), lora)
    forget_peak()
    ours.train(work, payload["n"], _STEPS)
    print(peak_bytes())


if __name__ == "__main__":
    main()
