"""Where a model's files are and what identifies them, without loading torch.

A model is known by name (`pocket`, shipped, and its further seeds `pocket-1` and `pocket-2`, which
lie in the repository but not in the wheel; `pocket-random`, the untrained control), by a folder
that holds a Hugging Face causal language model, by its name in the folder that `sapo app
--models-dir` names, or by the id of one in the local Hugging Face cache, alone or as `ID@REVISION`.
`random:MODEL` is the untrained control of any of them. Nothing is fetched; `sapo fetch` does that.
"""

from sapo_analysis.model_files.checks import not_causal
from sapo_analysis.model_files.files import ModelFiles
from sapo_analysis.model_files.finding import (
    find_model,
    is_hub_id,
    list_models,
    list_names,
    pinned,
    remote_code,
)
from sapo_analysis.model_files.hub_cache import cache_folder, split_revision
from sapo_analysis.model_files.places import CHECKPOINT, MODELS_DIR, POCKET, RANDOM, RANDOM_PREFIX
from sapo_analysis.model_files.survey import LocalModel, look_at, survey

__all__ = [
    "CHECKPOINT",
    "MODELS_DIR",
    "POCKET",
    "RANDOM",
    "RANDOM_PREFIX",
    "LocalModel",
    "ModelFiles",
    "cache_folder",
    "find_model",
    "is_hub_id",
    "list_models",
    "list_names",
    "look_at",
    "not_causal",
    "pinned",
    "remote_code",
    "split_revision",
    "survey",
]
