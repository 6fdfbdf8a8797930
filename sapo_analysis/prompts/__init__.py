"""The prompts of a task, how they are laid out, and what makes a set of them usable."""

from __future__ import annotations

from sapo_analysis.prompts.bank import get_prompts, original
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.prompts.render import user_message
from sapo_analysis.prompts.validate import check_prompts

__all__ = ["Prompt", "check_prompts", "get_prompts", "original", "user_message"]
