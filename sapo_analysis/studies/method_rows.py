"""Which rows the methods of a study read beside those that every study reads."""

from __future__ import annotations

from sapo_analysis.errors import InputError
from sapo_analysis.methods import Method, make_method
from sapo_analysis.spec import AnyStudy, SequenceStudy
from sapo_analysis.tasks.base import Task


def training_shots(study: AnyStudy) -> list[int]:
    """Numbers of demonstrations behind which tasks are trained on, rising."""
    return sorted({method.demonstrations for method in methods_of(study)})


def tested_shots(study: AnyStudy) -> list[int]:
    """Numbers of demonstrations behind which a task is tested under all of its candidates."""
    made = [method.metatuned() for method in methods_of(study)]
    chooses = any(own is not None and own.policy for own in made)
    return list(study.evaluation.n_shots) if chooses else [0]


def most_shown(study: AnyStudy) -> int:
    """Most demonstrations that stand before a row, in training or tests."""
    return max(*study.evaluation.n_shots, *training_shots(study))


def n_judged(study: AnyStudy, task: Task) -> int:
    """How many dev examples checkpoints are judged on; 0 where no method keeps the best one.

    Raises:
        InputError: the task has no dev examples, and a method keeps the best checkpoint.
    """
    judging = [method.name for method in methods_of(study) if _judges(method)]
    if not judging:
        return 0
    n = len(task.examples("dev")[: study.promot.dev_examples])
    if n == 0:
        raise InputError(
            f"Task {task.name!r} has no dev examples, and {judging[0]} keeps the checkpoint that is"
            " best on them. Add some, or use another method."
        )
    return n


def _judges(method: Method) -> bool:
    recipe = method.recipe(0)
    return recipe is not None and any(phase.select_every for phase in recipe.phases)


def methods_of(study: AnyStudy) -> list[Method]:
    """The methods of a study, each once."""
    if isinstance(study, SequenceStudy):
        names = dict.fromkeys(strategy.method for strategy in study.chosen_strategies)
    else:
        names = dict.fromkeys([study.method])
    return [make_method(name, study) for name in names]
