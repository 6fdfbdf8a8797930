"""Making a pocket model from nothing: its tokenizer, its data, its training, its model card."""

from sapo_analysis.pretraining.card import measure_card
from sapo_analysis.pretraining.pretrain import pretrain, pretrain_from_payload
from sapo_analysis.pretraining.settings import PRESETS, PretrainSettings, preset

__all__ = [
    "PRESETS",
    "PretrainSettings",
    "measure_card",
    "preset",
    "pretrain",
    "pretrain_from_payload",
]
