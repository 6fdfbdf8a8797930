"""Making the pocket model from nothing: its tokenizer, its data, its training, its base scores."""

from sapo_analysis.pretraining.pretrain import base_scores, pretrain, pretrain_from_payload
from sapo_analysis.pretraining.settings import PRESETS, PretrainSettings, preset

__all__ = [
    "PRESETS",
    "PretrainSettings",
    "base_scores",
    "preset",
    "pretrain",
    "pretrain_from_payload",
]
