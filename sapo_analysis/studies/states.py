"""The states of a plan as models: θ_0, and what it became after each past task."""

from __future__ import annotations

import gc
from pathlib import Path

from transformers import PreTrainedModel

from sapo_analysis.models.loading import Device, load_model
from sapo_analysis.models.lora import with_adapter
from sapo_analysis.plan import BASE_STATE, Plan

_KEEP_BYTES = 1 << 30


class States:
    """Models by state id: the base model and the saved adapters of the stages before it.

    A state is always built from files, also right after its stage was trained, so that a resumed
    run goes on from the very weights an undisturbed one would use. Small models stay in memory; of
    large ones only the last.
    """

    def __init__(self, plan: Plan, device: Device, folder: Path):
        self._plan = plan
        self._device = device
        self._folder = folder
        self._kept: dict[str, PreTrainedModel] = {}

    def folder(self, state_id: str) -> Path:
        """Where the adapter that leads to a state is kept."""
        return self._folder / state_id

    def at(self, state_id: str) -> PreTrainedModel:
        """The model at a state in eval mode, frozen, earlier adapters in it at full scale.

        They are merged, or beside weights that are quantized or not here: see `models.beside`.
        """
        if state_id not in self._kept:
            self._make_room()
            model = load_model(
                self._plan.model, self._device, self._plan.study.dtype, self._plan.study.memory
            )
            for step in self._path_to(state_id):
                model = with_adapter(model, self.folder(step))
            self._kept[state_id] = model
        return self._kept[state_id]

    def _path_to(self, state_id: str) -> list[str]:
        path: list[str] = []
        while state_id != BASE_STATE:
            path.append(state_id)
            state_id = self._plan.stages[state_id].parent_id
        return path[::-1]

    def _make_room(self) -> None:
        held = sum(
            p.numel() * p.element_size()
            for model in self._kept.values()
            for p in model.parameters()
        )
        if held > _KEEP_BYTES:
            self._kept.clear()
            gc.collect()  # what accelerate puts around layers refers to itself
