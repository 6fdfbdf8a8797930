"""How the next task is learned on top of the earlier ones: one small class per method."""

from sapo_analysis.methods.base import Learned, Method
from sapo_analysis.methods.ewc import Ewc
from sapo_analysis.methods.full import Full
from sapo_analysis.methods.lora import Lora
from sapo_analysis.methods.lora_inc import LoraInc
from sapo_analysis.methods.lora_one_shot import LoraOneShot
from sapo_analysis.methods.multi_task import MultiTask
from sapo_analysis.methods.o_lora import OLora
from sapo_analysis.methods.promot import (
    Promot,
    PromotJoint,
    PromotLoraFirst,
    PromotMultiTask,
    PromotOneShot,
    PromotRandom,
)
from sapo_analysis.methods.recipe import Phase, Recipe
from sapo_analysis.methods.replay import ReplayRows
from sapo_analysis.methods.soft import Ia3, PrefixTuning, PromptTuning, PTuning
from sapo_analysis.spec import AnyStudy, MethodName

_METHODS: dict[MethodName, type[Method]] = {
    method.name: method
    for method in (
        *(Lora, LoraInc, OLora, Ewc, ReplayRows, Full),
        *(Ia3, PromptTuning, PTuning, PrefixTuning),
        *(Promot, PromotOneShot, PromotLoraFirst, PromotJoint, PromotRandom, PromotMultiTask),
        *(MultiTask, LoraOneShot),
    )
}


def make_method(name: MethodName, study: AnyStudy) -> Method:
    """The method of that name with the settings of a study."""
    return _METHODS[name](study)


__all__ = ["Learned", "Method", "Phase", "Recipe", "make_method"]
