"""What will be done for a study, in full and before anything runs."""

from sapo_analysis.plan.amounts import Amounts, amounts_of, disk_bytes, first_result, to_measure
from sapo_analysis.plan.anchored import anchored
from sapo_analysis.plan.engines import ENGINES, EngineName, as_engine, check_engine, stack_size
from sapo_analysis.plan.identity import ALGORITHM_VERSION, data_fingerprint, stream_seed
from sapo_analysis.plan.paraphrase import make_plan
from sapo_analysis.plan.parity import PARITY_SETTINGS, paper_parity
from sapo_analysis.plan.sequence import (
    Chain,
    ChainGroup,
    SequencePlan,
    make_sequence_plan,
    order_name,
    tasks_in,
)
from sapo_analysis.plan.work import BASE_STATE, Group, Plan, Purpose, Role, Stage, Trial
from sapo_analysis.spec import AnyStudy, SequenceStudy

AnyPlan = Plan | SequencePlan


def plan_of(study: AnyStudy, engine: EngineName = "stacked") -> AnyPlan:
    """The plan of a study of any kind; see `make_plan` and `make_sequence_plan`.

    Raises:
        InputError: also where the engine cannot carry the study out.
    """
    check_engine(engine, study.memory)
    if isinstance(study, SequenceStudy):
        return make_sequence_plan(study, engine)
    return make_plan(study, engine)


__all__ = [
    "ALGORITHM_VERSION",
    "Amounts",
    "amounts_of",
    "anchored",
    "disk_bytes",
    "first_result",
    "to_measure",
    "BASE_STATE",
    "PARITY_SETTINGS",
    "paper_parity",
    "AnyPlan",
    "Chain",
    "ChainGroup",
    "SequencePlan",
    "make_sequence_plan",
    "order_name",
    "tasks_in",
    "plan_of",
    "ENGINES",
    "EngineName",
    "Group",
    "Plan",
    "Purpose",
    "Role",
    "Stage",
    "Trial",
    "as_engine",
    "data_fingerprint",
    "make_plan",
    "stack_size",
    "stream_seed",
]
