"""What will be done for a study, in full and before anything runs."""

from sapo_analysis.plan.engines import ENGINES, EngineName, as_engine, stack_size
from sapo_analysis.plan.identity import ALGORITHM_VERSION, data_fingerprint, stream_seed
from sapo_analysis.plan.paraphrase import make_plan
from sapo_analysis.plan.work import BASE_STATE, Group, Plan, Purpose, Role, Stage, Trial

__all__ = [
    "ALGORITHM_VERSION",
    "BASE_STATE",
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
