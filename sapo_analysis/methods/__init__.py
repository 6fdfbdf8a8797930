"""How the next task is learned on top of the earlier ones: one small class per method."""

from sapo_analysis.methods.base import Learned, Method
from sapo_analysis.methods.ewc import Ewc
from sapo_analysis.methods.full import Full
from sapo_analysis.methods.lora import Lora
from sapo_analysis.methods.lora_inc import LoraInc
from sapo_analysis.methods.o_lora import OLora
from sapo_analysis.methods.replay import ReplayRows
from sapo_analysis.spec import MethodName, SequenceStudy

_METHODS: dict[MethodName, type[Method]] = {
    method.name: method for method in (Lora, LoraInc, OLora, Ewc, ReplayRows, Full)
}


def make_method(name: MethodName, study: SequenceStudy) -> Method:
    """The method of that name with the settings of a study."""
    return _METHODS[name](study)


__all__ = ["Learned", "Method", "make_method"]
