"""What each method changes, when that is on, and where it is from: facts that no run decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Changes = Literal["prompt", "parameters", "both"]
_ALWAYS = "always"
_OWN_TASK = "soft prompt: on its own task; update: always"
_PROMOT = "Wang et al. 2024"
_ABLATION = "Wang et al. 2024, ablation"


@dataclass(frozen=True)
class MethodFacts:
    """What is true of a method in every study.

    Attributes:
        changes: `prompt` (virtual tokens, or their keys and values, on a frozen model),
            `parameters` (weights, an adapter or factors), or `both`.
        when_on: when what was trained takes part in an answer.
        size: how many values are trained (r: rank, m: virtual tokens, d: hidden size).
        reference: authors and year; "" where it is a plain baseline of no one paper.
        cites: its key in `data/references.bib`; "" where there is none.
    """

    changes: Changes
    when_on: str
    size: str
    reference: str = ""
    cites: str = ""


_ADAPTER = "r · (inputs + outputs) per matrix"
_NEW = f"{_ADAPTER}, new for each task"
_AND_PROMPT = f"m · d, then {_ADAPTER}"
_HU, _WANG = ("Hu et al. 2022", "hu2022lora"), "wang2024promot"
FACTS: Mapping[str, MethodFacts] = {
    "lora": MethodFacts("parameters", _ALWAYS, _ADAPTER, *_HU),
    "lora-inc": MethodFacts("parameters", _ALWAYS, _NEW, *_HU),
    "o-lora": MethodFacts("parameters", _ALWAYS, _NEW, "Wang, Chen et al. 2023", "wang2023olora"),
    "ewc": MethodFacts(
        "parameters", _ALWAYS, _ADAPTER, "Kirkpatrick et al. 2017", "kirkpatrick2017ewc"
    ),
    "replay": MethodFacts("parameters", _ALWAYS, _ADAPTER),
    "multi-task": MethodFacts("parameters", _ALWAYS, _NEW),
    "full": MethodFacts("parameters", _ALWAYS, "all weights"),
    "ia3": MethodFacts(
        "parameters",
        _ALWAYS,
        "keys + values + MLP width, per layer",
        "Liu, Tam et al. 2022",
        "liu2022tfew",
    ),
    "prompt-tuning": MethodFacts(
        "prompt", _ALWAYS, "m · d", "Lester et al. 2021", "lester2021prompt"
    ),
    "p-tuning": MethodFacts(
        "prompt", _ALWAYS, "m · d and a small network", "Liu, Zheng et al. 2021", "liu2021gpt"
    ),
    "prefix-tuning": MethodFacts(
        "prompt", _ALWAYS, "m · (keys + values), per layer", "Li and Liang 2021", "li2021prefix"
    ),
    "promot": MethodFacts("both", _OWN_TASK, _AND_PROMPT, _PROMOT, _WANG),
    "promot-1-shot": MethodFacts("both", _OWN_TASK, _AND_PROMPT, _PROMOT, _WANG),
    "promot-multi-task": MethodFacts(
        "both", _OWN_TASK, f"m · d per task, then {_ADAPTER}", _PROMOT, _WANG
    ),
    "promot-lora-first": MethodFacts(
        "parameters",
        "first adapter: on its own task; update: always",
        f"{_ADAPTER}, twice",
        _ABLATION,
        _WANG,
    ),
    "promot-joint": MethodFacts("both", _OWN_TASK, _AND_PROMPT, _ABLATION, _WANG),
    "promot-random": MethodFacts(
        "parameters",
        "random prompt: on its own task; update: always",
        _ADAPTER,
        _ABLATION,
        _WANG,
    ),
    "lora-1-shot": MethodFacts("parameters", _ALWAYS, _ADAPTER, _ABLATION, _WANG),
}
"""Every method of `spec.METHODS`; where ProMoT updates all weights, read them for the adapter's."""
