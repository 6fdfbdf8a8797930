"""Fine-tunes made by a recipe: soft prompts, scales, adapters and whole models, phase by phase."""

from sapo_analysis.studies.composed.begun import Begun
from sapo_analysis.studies.composed.checking import check_recipe
from sapo_analysis.studies.composed.contexts import step_tokens
from sapo_analysis.studies.composed.fine_tunes import composed

__all__ = ["Begun", "check_recipe", "composed", "step_tokens"]
