"""How a study was made: model, method, training, data, seeds, machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.analysis.wording import counted, duration
from sapo_analysis.comparable import method_settings
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.methods import find_method, make_method
from sapo_analysis.paper.numbers import ParaphraseNumbers, SequenceNumbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.stamps import model_name
from sapo_analysis.paper.tables.notes import standing
from sapo_analysis.paper.tables.spec import Column, TableSpec
from sapo_analysis.spec import AnyStudy, MetaTunerSettings, ParaphraseStudy, SequenceStudy
from sapo_analysis.store import Run

Facts = list[tuple[str, str, str]]
"""(block, name, value)."""
_PACKAGES = ("torch", "transformers", "peft")


def settings_table(numbers: ParaphraseNumbers | SequenceNumbers, options: Options) -> TableSpec:
    """A row per setting; where joined runs differ, what each has.

    Raises:
        InputError: all results were imported: how they were made is not known.
    """
    made = [run for run in numbers.runs if not run.is_imported]
    if not made:
        ids = ", ".join(run.run_id for run in numbers.runs)
        raise InputError(f"How the results of {ids} were made is not known: they were imported.")
    found: dict[tuple[str, str], list[str]] = {}
    for run in made:
        for block, name, value in _facts(run):
            found.setdefault((block, name), []).append(value)
    rows = [
        {"block": block, "setting": name, "value": "; ".join(dict.fromkeys(values))}
        for (block, name), values in found.items()
    ]
    of = "; ".join(run.run_id for run in made)
    return TableSpec(
        name="settings" if numbers.study == "paraphrase" else "sequence_settings",
        columns=(Column("setting", "Setting"), Column("value", "Value", width=0.66)),
        rows=pd.DataFrame(rows),
        caption=Caption(shows=f"How the study was made ({of})"),
        notes=standing(numbers),
        blocks="block",
        wide=True,
    )


def _facts(run: Run) -> Facts:
    study = run.study
    facts = [("Model", *fact) for fact in _model(run)]
    if isinstance(study, ParaphraseStudy):
        facts += [("Design", *fact) for fact in _paraphrase(study, run)]
    elif isinstance(study, SequenceStudy):
        facts += [("Design", *fact) for fact in _sequence(study, run)]
    facts += [("Training", *fact) for fact in _training(study)]
    return facts + [("Software", *fact) for fact in _software(run)]


def _model(run: Run) -> list[tuple[str, str]]:
    model = run.provenance.get("model", {})
    found = [("model", model_name(run))]
    if n := model.get("n_parameters"):
        found.append(("parameters", f"{n:,}"))
    if model.get("weights") == "random":
        found.append(("weights", "random, never trained"))
    return [*found, ("precision", str(run.provenance.get("dtype", run.made_here("be told").dtype)))]


def _paraphrase(study: ParaphraseStudy, run: Run) -> list[tuple[str, str]]:
    prompts = run.table("prompts")
    per_task = prompts[prompts["task"].isin(study.current)].groupby("task").size()
    roles = [
        (f"{role} tasks", ", ".join(getattr(study, role)))
        for role in ("past", "current", "unseen", "retained")
        if getattr(study, role)
    ]
    found = [("method", METHOD_WORDS[study.method]), *roles]
    if len(per_task):
        found.append(("prompts per current task", _span(per_task)))
    found.append(("seeds", _listed(study.seeds)))
    if study.noise_seeds:
        found.append(("noise seeds", _listed(study.noise_seeds)))
    return [
        *found,
        ("examples scored for the pre-update loss", f"{study.scoring.examples:,}"),
        ("test examples per task", f"{study.evaluation.examples:,}"),
        *_of_soft_parts(study, [study.method]),
    ]


def _sequence(study: SequenceStudy, run: Run) -> list[tuple[str, str]]:
    prompts = run.table("prompts").query("not test_only").groupby("task").size()
    methods: dict[str, list[str]] = {}
    for one in study.chosen_strategies:
        methods.setdefault(one.method, []).append(one.policy)
    found = [
        (f"policies with {METHOD_WORDS[method]}", ", ".join(policies))
        for method, policies in methods.items()
    ]
    found.append(("orders of tasks", "; ".join(" → ".join(order) for order in study.orders)))
    if len(prompts):
        found.append(("candidate prompts per task", _span(prompts)))
    end = study.evaluation.at_the_end
    at_the_end = f"; {end:,} after the last" if end != study.evaluation.examples else ""
    return [
        *found,
        ("seeds", _listed(study.seeds)),
        ("examples scored per candidate", f"{study.scoring.examples:,}"),
        ("test examples per task and stage", f"{study.evaluation.examples:,}{at_the_end}"),
        *_of_methods(study, methods),
    ]


def _of_methods(study: SequenceStudy, methods: dict[str, list[str]]) -> list[tuple[str, str]]:
    """The settings that only some methods and policies have."""
    found = []
    if any("paft" in policies for policies in methods.values()):
        found.append(("paft draws a prompt", f"every {counted(study.paft.every, 'step')}"))
    if "o-lora" in methods:
        found.append(("weight of O-LoRA's penalty", f"{study.o_lora.weight:g}"))
    if "ewc" in methods:
        found.append(("weight of EWC's penalty", f"{study.ewc.weight:g}"))
    if "replay" in methods:
        found.append(("replayed rows per row", f"{study.replay.ratio:g}"))
    if "full" in methods:
        found.append(("learning rate of full fine-tuning", f"{study.full.learning_rate:g}"))
    return found + _of_soft_parts(study, list(methods))


def _of_soft_parts(study: AnyStudy, methods: Sequence[str]) -> list[tuple[str, str]]:
    """The settings of soft prompts, IA3 and ProMoT, and what was looked at along the way."""
    used = set(method_settings(methods))
    soft, promot, looks = study.soft_prompt, study.promot, study.diagnostics
    found = []
    if "soft_prompt" in used:
        start = f"{soft.virtual_tokens} tokens from {soft.init}"
        found.append(("soft prompt", f"{start}, learning rate {soft.learning_rate:g}"))
    for section, words in (("ts_loss", "TSLoss"), ("ptp", "PTP")):
        if deciding := _deciding(study, section, methods):
            found.append((words, deciding))
    if "context_tuning" in used:
        own = study.context_tuning
        left_out = "left out where trained on" if own.leave_one_out else "always seen"
        seen = f"{left_out}, {own.token_drop:.0%} of their tokens dropped"
        start = f"{counted(own.demonstrations, 'demonstration')}, {seen}"
        found.append(("context tuning", f"{start}, learning rate {own.learning_rate:g}"))
    if "metatuner" in used:
        found.append(_of_metatuner(study.metatuner))
    if "ia3" in used:
        found.append(("learning rate of IA3", f"{study.ia3.learning_rate:g}"))
    if "promot" in used:
        trained = "all weights" if promot.update == "full" else "an adapter"
        # Some variants have no first stage of their own, and a saved soft prompt stands for it.
        recipes = [make_method(method, study).recipe(0) for method in methods]
        staged = any(recipe is not None and len(recipe.phases) > 1 for recipe in recipes)
        first = f"{counted(promot.steps, 'step')} of stage 1, then " if staged else ""
        found.append(
            ("ProMoT", f"{first}{trained}; a checkpoint every {promot.select_every} steps")
        )
    if study.evaluation.n_shots != (0,):
        found.append(("demonstrations in tests", _listed(study.evaluation.n_shots)))
    if looks.every:
        found.append(("looked at", f"every {counted(looks.every, 'step')}"))
    return found


def _deciding(study: AnyStudy, section: str, methods: Sequence[str]) -> str:
    """The settings of a section that decide something of these methods; empty: none does."""
    users = [method for method in map(find_method, methods) if section in method.settings]
    values = getattr(study, section).model_dump(mode="json")
    return ", ".join(
        f"{name.replace('_', ' ')} {value:g}"
        for name, value in values.items()
        if any(not {section, f"{section}.{name}"} & set(method.idle) for method in users)
    )


def _of_metatuner(own: MetaTunerSettings) -> tuple[str, str]:
    parts = [
        f"rank {own.r}, {counted(own.hidden, 'hidden unit')}",
        f"the first {own.share:.0%} of the layers shared",
        f"{counted(own.labelled, 'labelled row')} at most, α {own.alpha:g}",
        f"learning rate {own.learning_rate:g}",
    ]
    return "MetaTuner (small), experimental", ", ".join(parts)


def _training(study: Any) -> list[tuple[str, str]]:
    lora, training = study.lora, study.training
    modules = lora.target_modules
    warm_up = f", {counted(training.warmup_steps, 'step')} of warm-up"
    return [
        ("steps", f"{training.steps:,}"),
        ("batch size", f"{training.batch_size:,}"),
        ("training examples", f"{training.examples:,}"),
        ("optimizer", f"AdamW, weight decay {training.weight_decay:g}"),
        ("learning rate", f"{training.learning_rate:g}"),
        ("schedule", f"{training.schedule}{warm_up if training.warmup_steps else ''}"),
        ("gradient norm clipped at", f"{training.max_grad_norm:g}"),
        ("LoRA rank, alpha, dropout", f"{lora.r}, {lora.lora_alpha:g}, {lora.lora_dropout:g}"),
        ("LoRA on", modules if isinstance(modules, str) else ", ".join(modules)),
    ]


def _software(run: Run) -> list[tuple[str, str]]:
    told = run.provenance
    packages = told.get("packages", {})
    found = [(name, str(packages[name])) for name in _PACKAGES if packages.get(name)]
    if commit := told.get("commit"):
        found.append(("commit of sapo-analysis", str(commit)[:12]))
    if device := told.get("device"):
        hardware = told.get("hardware", "")
        found.append(("device", f"{device}, {hardware}" if hardware else str(device)))
    if seconds := told.get("cost", {}).get("seconds"):
        found.append(("time taken", duration(seconds)))
    return found


def _span(sizes: pd.Series[int]) -> str:
    least, most = int(sizes.min()), int(sizes.max())
    return f"{least}" if least == most else f"{least} to {most}"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
