"""Adapters that a run keeps for its user, in peft's format: `adapters/TRIAL_ID/` in its folder.

Each is what its fine-tune trained. In a paraphrase study, and with the methods `lora-inc` and
`o-lora`, it stands on the tasks learned before: load the base model, merge their adapters (folders
of their own trials), then this one. The methods `lora`, `replay` and `ewc` carry one adapter from
task to task: it stands on the base model alone and has the earlier tasks in it. So do `ia3`,
`prompt-tuning`, `p-tuning` (as the soft prompt that its encoder gives) and `prefix-tuning`. Of
ProMoT the folder holds the adapter of stage 2, and in `soft_prompt/` (or `first_adapter/`) what
stage 1 trained for that task.
"""

from __future__ import annotations

import json
from pathlib import Path

from sapo_analysis.models.saved_adapter import CONFIG
from sapo_analysis.plan import AnyPlan
from sapo_analysis.store import layout
from sapo_analysis.studies.fine_tunes import FineTunes


class KeptAdapters:
    """Where the adapters of a plan's fine-tunes go; nowhere unless its study keeps them."""

    def __init__(self, plan: AnyPlan, run_folder: Path):
        self._wanted = plan.study.keep_adapters
        self._folder = run_folder / layout.ADAPTERS
        self._model = plan.model.label

    def keep(self, tuned: FineTunes, k: int, trial_id: str) -> None:
        """Write fine-tune k, if its study keeps adapters and it is one."""
        if not self._wanted or tuned.n_differentiated:
            return
        folder = self._folder / trial_id
        tuned.export(k, folder, self._model)
        for file in folder.rglob(CONFIG):
            settings = json.loads(file.read_text(encoding="utf-8"))
            # Runs are passed on: the model by the name it is published under, never a path of here.
            settings["base_model_name_or_path"] = self._model
            text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
            file.write_text(text, encoding="utf-8")
            # peft's form of a model card, with the path
            (file.parent / "README.md").unlink(missing_ok=True)
