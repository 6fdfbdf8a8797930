"""Which engines there are."""

from __future__ import annotations

from transformers import PreTrainedModel

from sapo_analysis.models.loading import Device
from sapo_analysis.plan import AnyPlan, EngineName
from sapo_analysis.studies.engine import Engine
from sapo_analysis.studies.plain import PlainEngine
from sapo_analysis.studies.stacked import StackedEngine

_ENGINES: dict[EngineName, type[Engine]] = {
    engine.name: engine for engine in (StackedEngine, PlainEngine)
}


def make_engine(plan: AnyPlan, device: Device, base: PreTrainedModel) -> Engine:
    """The engine that a plan was made for."""
    return _ENGINES[plan.engine](plan, device, base)
