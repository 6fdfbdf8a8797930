"""Which prompt teaches the next task: one small class per policy."""

from sapo_analysis.policies.base import Policy, Situation
from sapo_analysis.policies.original import Original
from sapo_analysis.policies.paft import Paft
from sapo_analysis.policies.random import RandomPrompt
from sapo_analysis.policies.sapo import Sapo
from sapo_analysis.policies.sapo_once import SapoOnce
from sapo_analysis.policies.sapp import Sapp
from sapo_analysis.policies.shortest import Shortest
from sapo_analysis.spec import PolicyName

_POLICIES: dict[PolicyName, Policy] = {
    policy.name: policy
    for policy in (
        Original(),
        RandomPrompt(),
        Paft(),
        Sapo(),
        Sapp(),
        SapoOnce(),
        Shortest(),
    )
}


def get_policy(name: PolicyName) -> Policy:
    """The policy of that name."""
    return _POLICIES[name]


__all__ = ["Policy", "Situation", "get_policy"]
