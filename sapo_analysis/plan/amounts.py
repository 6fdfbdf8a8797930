"""How much a plan comes to, in rows read, and from speeds the time that takes.

Counts follow from the plan alone, so a form can count while someone types. Speeds are measured by
the engine (`calibrate`) on a study in which everything that changes no speed is as small as it can
be (`to_measure`): one measurement serves all studies that differ in counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from sapo_analysis.methods import Phase, make_method
from sapo_analysis.plan.engines import MOST_ADAPTERS
from sapo_analysis.plan.sequence import ChainGroup, SequencePlan
from sapo_analysis.plan.work import Group, Plan, Trial
from sapo_analysis.policies import get_policy
from sapo_analysis.spec import (
    AnyStudy,
    DiagnosticsSettings,
    MethodName,
    ParaphraseStudy,
    SequenceStudy,
)
from sapo_analysis.spec.methods import MetaTunerSettings, PtpSettings

MEASURED_ROWS = 48
"""Rows that a speed is measured on, at most."""
MEASURED_STEPS = 6
_BYTES_PER_PREDICTION = 24
_BYTES_PER_SCORE = 24
_BYTES_PER_TRIAL = 12_000
_BYTES_PER_FINE_TUNE = 4_000
_BYTES_PER_ROW = 60
"""Of a kept test example: input and target."""
_LAYERS = 7
"""Linear layers of a decoder layer, as most models have."""
READABLE_PROMPTS = 4
"""Main trials of one task from which a correlation can be drawn."""


class Amounts(NamedTuple):
    """Rows by what is done with them; also seconds per row, as measured."""

    trained: float = 0
    """Rows of optimizer steps, as often as they are read: steps × batch size for each fine-tune,
    and once more for each pass over a batch that is perturbed, or looks for how to perturb it."""
    scored: float = 0
    """Rows whose loss is read before an update."""
    differentiated: float = 0
    """Rows whose gradient is taken, for the gradient indicators."""
    evaluated: float = 0
    """Test rows that are answered and scored, those behind demonstrations apart; dev rows that a
    checkpoint is judged on among them."""
    watched: float = 0
    """Dev rows whose loss is read at checkpoints."""
    aligned: float = 0
    """Training rows whose last layer's gradient is taken at looks, once per shuffle and once more;
    what is the same twice is read once, so with few labels a row takes less time."""
    shown: float = 0
    """Test rows that are answered and scored behind demonstrations."""

    def seconds(self, per_row: Amounts) -> float:
        """How long these rows take at so many seconds per row."""
        return sum(n * each for n, each in zip(self, per_row, strict=True))


def looks_of(study: ParaphraseStudy, trials: Sequence[Trial]) -> tuple[int, ...]:
    """Steps after which a group's trials are looked at: 0, the checkpoints, the end; or none.

    Repeats are never looked at, nor is anything where the study names no checkpoints.
    """
    checkpoints = study.evaluation.checkpoints
    if not checkpoints or any(trial.purpose == "repeat" for trial in trials):
        return ()
    return (0, *checkpoints, study.training.steps)


def n_looks(study: AnyStudy, steps: int) -> int:
    """How often `diagnostics` looks at a fine-tune of so many steps: 0, every, …, and the end."""
    every = study.diagnostics.every
    return 1 + -(-steps // every) if every else 0


def looked_rows(study: AnyStudy) -> int:
    """Test rows of each task that a look reads: of those that the study tests on."""
    return min(study.diagnostics.examples, study.evaluation.examples)


def aligned_rows(study: AnyStudy) -> int:
    """Training rows whose gradient a look takes: of those that are trained on."""
    return min(study.diagnostics.examples, study.training.examples)


def labelled_rows(study: AnyStudy) -> int:
    """Training rows whose best candidate MetaTuner (small) finds out: of those it trains on."""
    return min(study.metatuner.labelled, study.training.examples)


def fine_tune_steps(study: AnyStudy, method: MethodName, n_past: int = 0) -> int:
    """Optimizer steps of a fine-tune after `n_past` others, all phases."""
    return sum(phase.settings.steps for phase in _phases(study, method, n_past))


def fine_tune_reads(study: AnyStudy, method: MethodName, n_past: int = 0) -> int:
    """How often a fine-tune after `n_past` others reads a batch, all passes of all phases."""
    phases = _phases(study, method, n_past)
    return sum(phase.settings.steps * phase.passes for phase in phases)


def judgements(study: AnyStudy, method: MethodName, n_past: int = 0) -> int:
    """How often a fine-tune after `n_past` others is judged on its dev rows, in all phases.

    At every checkpoint and at the end of each phase; 0 where no checkpoint is chosen.
    """
    return sum(
        -(-phase.settings.steps // phase.select_every)
        for phase in _phases(study, method, n_past)
        if phase.select_every
    )


def _phases(study: AnyStudy, name: MethodName, n_past: int) -> tuple[Phase, ...]:
    """The phases of a fine-tune; of a method without a recipe the one that `training` gives."""
    method = make_method(name, study)
    recipe = method.recipe(n_past)
    return recipe.phases if recipe is not None else (Phase((), method.training(n_past)),)


def _judged_rows(plan: Plan | SequencePlan, task: str) -> int:
    """Dev rows of a task that one judgement reads."""
    return len(plan.tasks[task].examples("dev")[: plan.study.promot.dev_examples])


def amounts_of(plan: Plan | SequencePlan) -> Amounts:
    """The rows that the groups of a plan read.

    Of a sequence: of chains that share nothing and of scoring in full. What is shared, and where a
    scoring stops, is not known beforehand.
    """
    if isinstance(plan, SequencePlan):
        return _sum([_of_chains(plan, group) for group in plan.groups])
    found = [_of_trials(plan, group) for group in plan.groups]
    return _sum([*found, _of_indicators(plan), _of_labels(plan)])


def first_result(plan: Plan | SequencePlan) -> Plan | SequencePlan:
    """The plan up to the group after which there is something to read.

    Of a paraphrase study: four prompts of one task, from which its first correlation is made. Of a
    sequence: the first stage of the first chains.
    """
    if isinstance(plan, SequencePlan):
        stages = (i for i, group in enumerate(plan.groups, start=1) if group.kind == "stage")
        end = next(stages, None)
        return plan if end is None else replace(plan, groups=plan.groups[:end])
    n = Counter[str]()
    for i, one in enumerate(plan.groups, start=1):
        n.update(trial.task for trial in one.trials if trial.purpose == "main")
        if max(n.values(), default=0) >= READABLE_PROMPTS:
            return replace(plan, groups=plan.groups[:i])
    return plan


def disk_bytes(plan: Plan | SequencePlan) -> int:
    """About how much the run folder of a plan will take (bytes)."""
    if isinstance(plan, SequencePlan):
        n_evaluations = sum(_evaluations(plan, group) for group in plan.groups)
        n_evaluations += _evaluations_shown(plan.study, 1 + len(plan.units), len(plan.tasks))
        n_outputs = (1 + len(plan.units)) * len(plan.tasks) * plan.study.evaluation.kept
        n_outputs *= len(plan.study.evaluation.n_shots)
        steps = [
            fine_tune_steps(plan.study, chain.strategy.method, group.stage - 1)
            for group in plan.groups
            for chain in group.chains
        ]
        return (
            len(plan.units) * _BYTES_PER_FINE_TUNE
            + n_evaluations * _BYTES_PER_SCORE
            + n_outputs * _BYTES_PER_PREDICTION
            + _looks_bytes(plan, steps)
        )
    study = plan.study
    texts = sum(len(t.examples("test")) for t in plan.tasks.values()) * _BYTES_PER_ROW
    kept = min(study.evaluation.n_predictions_kept, study.evaluation.examples)
    shown = _evaluations_shown(study, 1, len(plan.tasks))
    per_trial = _BYTES_PER_TRIAL + (kept * len(plan.tasks) + kept * shown) * _BYTES_PER_PREDICTION
    per_trial += shown * _BYTES_PER_SCORE
    watched = sum(len(looks_of(study, [trial])[1:-1]) for trial in plan.trials)
    at_checkpoints = watched * (len(plan.tasks) + 1) * _BYTES_PER_SCORE
    looked = [t for t in plan.trials if t.purpose != "repeat"]
    steps = [fine_tune_steps(study, study.method)] * len(looked)
    return texts + len(plan.trials) * per_trial + at_checkpoints + _looks_bytes(plan, steps)


def _looks_bytes(plan: Plan | SequencePlan, steps: Sequence[int]) -> int:
    """About what the looks at fine-tunes with so many steps each take."""
    looks = sum(n_looks(plan.study, each) for each in steps)
    return looks * (2 * len(plan.tasks) + 2 * _LAYERS) * _BYTES_PER_SCORE


def to_measure(study: AnyStudy) -> AnyStudy:
    """The study with all that changes no speed put to a fixed value."""
    training = study.training.model_copy(
        update={
            "examples": min(study.training.examples, MEASURED_STEPS * study.training.batch_size),
            "steps": MEASURED_STEPS,
            "schedule": "constant",
            "warmup_steps": 0,
        }
    )
    looked = {
        "every": min(study.diagnostics.every, 1),
        "examples": min(study.diagnostics.examples, MEASURED_ROWS),
    }
    diagnostics = study.diagnostics.model_copy(update=looked)
    promot = study.promot.model_copy(
        update={"steps": MEASURED_STEPS, "select_every": MEASURED_STEPS, "dev_examples": 1}
    )
    ptp = PtpSettings(adversarial_steps=study.ptp.adversarial_steps)
    common = {
        "name": "measured",
        "seeds": (0,),
        "training": training,
        "promot": promot,
        "ptp": ptp,
        "context_tuning": study.context_tuning.model_copy(update={"learning_rate": 1e-3}),
        "metatuner": _sizes_alone(study.metatuner),
        "diagnostics": diagnostics if diagnostics.every else DiagnosticsSettings(),
    }
    if isinstance(study.prompts, int):
        common["prompts"] = min(study.prompts, MOST_ADAPTERS - 1)
    return study.model_copy(update={**common, **_smallest(study)})


def _sizes_alone(settings: MetaTunerSettings) -> MetaTunerSettings:
    """What of it decides how long a step takes: the sizes of its parts."""
    sizes = ("share", "r", "hidden", "target_modules")
    return MetaTunerSettings(**{name: getattr(settings, name) for name in sizes})


def _smallest(study: AnyStudy) -> Mapping[str, object]:
    n_scored = min(study.scoring.examples, MEASURED_ROWS)
    n_tested = min(study.evaluation.examples, MEASURED_ROWS)
    if isinstance(study, SequenceStudy):
        n_chains = min(len(study.orders) * len(study.seeds), MOST_ADAPTERS)
        tested: dict[str, object] = {
            "examples": n_tested,
            "final_examples": None,
            "test_only_prompts": 0,
            "n_predictions_kept": 0,
        }
        return {
            "orders": study.orders[:1],
            "seeds": tuple(range(n_chains)),
            "scoring": study.scoring.model_copy(update={"examples": n_scored}),
            "evaluation": study.evaluation.model_copy(update=tested),
        }
    scored = {"examples": n_scored, "diagnostics": min(study.scoring.diagnostics, 1)}
    tested = {
        "examples": n_tested,
        "n_predictions_kept": 0,
        "checkpoints": study.evaluation.checkpoints and (1,),
    }
    return {
        "state_seeds": None,
        "noise_seeds": (),
        "noise_prompts": None,
        "scoring": study.scoring.model_copy(update=scored),
        "evaluation": study.evaluation.model_copy(update=tested),
    }


def _of_looks(study: AnyStudy, steps: Sequence[int], n_tasks: int) -> Amounts:
    """What `diagnostics` reads of fine-tunes with so many steps each."""
    looks = sum(n_looks(study, each) for each in steps)
    return Amounts(
        evaluated=looks * n_tasks * looked_rows(study),
        aligned=looks * aligned_rows(study) * (1 + study.diagnostics.shuffles),
    )


def _sum(parts: Sequence[Amounts]) -> Amounts:
    return Amounts(*(sum(column) for column in zip(*parts, strict=True)))


def _of_trials(plan: Plan, group: Group) -> Amounts:
    study = plan.study
    n_tasks, n_rows = len(plan.tasks), study.evaluation.examples
    per_fit = fine_tune_reads(study, study.method) * study.training.batch_size
    shown = _evaluations_shown(study, max(1, len(group.trials)), n_tasks) * n_rows
    if group.kind == "base":
        return Amounts(evaluated=n_tasks * n_rows, shown=shown)
    if group.kind == "stage":
        trained = study.training.steps * study.training.batch_size
        return Amounts(trained=trained, evaluated=n_tasks * n_rows, shown=shown)
    if group.kind == "score":
        # The original was measured with the state; each other candidate is tested under itself.
        n = len(plan.candidates(str(group.task)))
        return Amounts(scored=n * study.scoring.examples, evaluated=(n - 1) * n_rows)
    looks = looks_of(study, group.trials)
    also_own = any(t.prompt != plan.originals[t.task] for t in group.trials)
    tests = len(group.trials) * (n_tasks + also_own) * (1 + len(looks[1:-1]))
    dev = sum(len(plan.tasks[t.task].examples("dev")[:n_rows]) for t in group.trials)
    looked = [t for t in group.trials if t.purpose != "repeat"]
    n_judged = sum(_judged_rows(plan, t.task) for t in group.trials)
    n_judged *= judgements(study, study.method)
    own = Amounts(
        trained=len(group.trials) * per_fit,
        evaluated=tests * n_rows + n_judged,
        watched=dev * len(looks),
        shown=shown,
    )
    steps = [fine_tune_steps(study, study.method)] * len(looked)
    return _sum([own, _of_looks(study, steps, n_tasks)])


def _of_indicators(plan: Plan) -> Amounts:
    """What `scoring.diagnostics` adds at each state at which candidates are scored."""
    n = plan.study.scoring.diagnostics
    scored: dict[str, list[str]] = {}
    for group in plan.groups if n else ():
        if group.kind == "score":
            scored.setdefault(str(group.state_id), []).append(str(group.task))
    read = differentiated = 0
    for state_id, tasks in scored.items():
        learned = plan.learned(state_id)
        candidates = sum(len(plan.candidates(task)) for task in tasks)
        compared = sum(tasks != [name] for name in plan.tasks)
        differentiated += (candidates + compared) * n
        read += candidates * (n + 1 + bool(learned)) + len(learned)
    return Amounts(scored=read, differentiated=differentiated)


def _of_labels(plan: Plan) -> Amounts:
    """What MetaTuner (small) scores to label rows: once per state and task, and when it refreshes.

    Each labelled row is read under every candidate.
    """
    study = plan.study
    made = make_method(study.method, study).metatuned()
    if made is None or not made.policy:
        return Amounts()
    places = {(trial.state_id, trial.task) for trial in plan.trials}
    every, steps = made.settings.refresh, study.training.steps
    again = (steps - 1) // every if every else 0
    n = sum(len(plan.candidates(task)) for _, task in places)
    n += again * sum(len(plan.candidates(trial.task)) for trial in plan.trials)
    return Amounts(scored=n * labelled_rows(study))


def _of_chains(plan: SequencePlan, group: ChainGroup) -> Amounts:
    study = plan.study
    tests = _evaluations(plan, group)
    if group.kind == "base":
        shown = _evaluations_shown(study, 1, len(study.tasks))
        n_rows = study.evaluation.at_the_end
        return Amounts(evaluated=tests * n_rows, shown=shown * n_rows)
    if group.kind == "score":
        return Amounts(scored=len(plan.prompts[str(group.task)]) * study.scoring.examples)
    later = group.stage > 1
    choosing = [
        chain
        for chain in group.chains
        if later and get_policy(chain.strategy.policy).scores_at == "current state"
    ]
    n_candidates = sum(len(plan.prompts[chain.order[group.stage - 1]]) for chain in choosing)
    replaying = sum(later and chain.strategy.method == "replay" for chain in group.chains)
    n_past = group.stage - 1
    steps = [fine_tune_steps(study, chain.strategy.method, n_past) for chain in group.chains]
    reads = [fine_tune_reads(study, chain.strategy.method, n_past) for chain in group.chains]
    replayed = replaying * study.replayed_rows * study.training.steps
    is_last = group.stage == len(study.tasks)
    n_rows = study.evaluation.at_the_end if is_last else study.evaluation.examples
    own = Amounts(
        trained=sum(reads) * study.training.batch_size + replayed,
        scored=n_candidates * study.scoring.examples,
        evaluated=tests * n_rows + _judged_in(plan, group),
        shown=_evaluations_shown(study, len(group.chains), len(study.tasks)) * n_rows,
    )
    return _sum([own, _of_looks(study, steps, len(study.tasks))])


def _judged_in(plan: SequencePlan, group: ChainGroup) -> int:
    """Dev rows that checkpoints of a group's fine-tunes are judged on.

    A stack that learns several tasks is judged once per task, all its fine-tunes together.
    """
    n_past = group.stage - 1
    own = [(chain.order[n_past], chain.strategy.method) for chain in group.chains]
    rows = {task: _judged_rows(plan, task) for task, _ in own}
    passes = sum(rows.values())
    return sum(
        judgements(plan.study, method, n_past) * (passes if plan.chunk > 1 else rows[task])
        for task, method in own
    )


def _evaluations_shown(study: AnyStudy, n_measured: int, n_tasks: int) -> int:
    """Tests of one task behind demonstrations, of so many states or trials."""
    return n_measured * n_tasks * (len(study.evaluation.n_shots) - 1)


def _evaluations(plan: SequencePlan, group: ChainGroup) -> int:
    """Tests of one task under one prompt, without demonstrations.

    All tasks under fixed prompts, learned ones under their own.
    """
    fixed = len(plan.study.tasks) * (1 + plan.study.evaluation.test_only_prompts)
    if group.kind == "base":
        return fixed
    return sum(fixed + group.stage for _ in group.chains)
