"""Paraphrases asked from servers that speak the OpenAI-compatible protocol."""

from __future__ import annotations

from sapo_analysis.prompts.endpoints.asking import Asked, Failure, ask, budget_of
from sapo_analysis.prompts.endpoints.budget import Budget, Cost
from sapo_analysis.prompts.endpoints.config import (
    EXAMPLE,
    endpoints_path,
    find_endpoint,
    read_endpoints,
)
from sapo_analysis.prompts.endpoints.endpoint import Endpoint

__all__ = [
    "EXAMPLE",
    "Asked",
    "Budget",
    "Cost",
    "Endpoint",
    "Failure",
    "ask",
    "budget_of",
    "endpoints_path",
    "find_endpoint",
    "read_endpoints",
]
