"""What a result hangs on, as hashes: ids of trials and states, marks of data, random streams."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sapo_analysis.methods import find_method, make_method, own_mark
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import ParaphraseStudy, Study
from sapo_analysis.tasks.base import Task

ALGORITHM_VERSION = 1
"""Raised whenever the same spec would give other numbers.

Finished trials of another version are not reused.
"""


@dataclass
class Identity:
    """Content hashes of whatever decides a result; other tasks, other seeds and device do not.

    `prompts`: the candidates of each trained task, which decide where a method chooses among them.
    """

    study: ParaphraseStudy
    model: str
    tasks: dict[str, Task]
    originals: dict[str, Prompt]
    prompts: Mapping[str, Sequence[Prompt]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._data = {n: data_fingerprint(t, self.originals[n]) for n, t in self.tasks.items()}
        settings = self.study.model_dump(mode="json")
        del settings["evaluation"]["n_predictions_kept"]
        checkpoints = settings["evaluation"].pop("checkpoints")
        n_shots = settings["evaluation"].pop("n_shots")
        self._settings = {
            key: settings[key] for key in ("method", "lora", "training", "evaluation", "dtype")
        }
        self._settings |= named_apart(self.study)
        # The past is learned with LoRA, so its states are the same whatever the method.
        self._settings["method"] = "lora"
        self._method = _method_settings(self.study)
        made = make_method(self.study.method, self.study).metatuned()
        self._chooses = made is not None and made.policy
        # Named where there are some alone: ids are what they were before there were such settings.
        self._watched: dict[str, object] = {"checkpoints": checkpoints} if checkpoints else {}
        if n_shots != [0]:
            self._watched["n_shots"] = n_shots
        self._watched |= looked_at(self.study)

    def trial(self, parent_id: str, task: str, prompt: str, seed: int) -> str:
        """The id of a fine-tune from a state; `prompt` is its text."""
        own = {**self._watched, **self._method}
        if self._chooses:
            own["candidates"] = [each.text for each in self.prompts[task]]
        return self._fine_tune(parent_id, task, prompt, seed, **own)

    def past(self, parent_id: str, task: str, prompt: str, seed: int) -> str:
        """The id of a fine-tune on the way to a parent state."""
        # Never watched, nor shown demonstrations when tested. Trials draw their streams from the
        # state's name, and how they are looked at must not give them other ones.
        return self._fine_tune(parent_id, task, prompt, seed)

    def _fine_tune(
        self, parent_id: str, task: str, prompt: str, seed: int, **watched: object
    ) -> str:
        return digest(
            version=ALGORITHM_VERSION,
            model=self.model,
            settings=self._settings,
            parent=parent_id,
            data=self._data[task],
            prompt=prompt,
            seed=seed,
            **watched,
        )

    def state(self, trial_id: str) -> str:
        """The id of the state that a past task's fine-tune reaches."""
        return "s-" + trial_id


def _method_settings(study: ParaphraseStudy) -> dict[str, object]:
    """What decides a trial of another method than LoRA; of that nothing, as ids always were."""
    if study.method == "lora":
        return {}
    settings = study.model_dump(mode="json")
    used = find_method(study.method).settings
    mark = own_mark(study.method)
    own = {} if mark is None else {"own_method": mark}
    return {"method": study.method} | own | {key: settings[key] for key in used}


def looked_at(study: Study) -> dict[str, object]:
    """What `diagnostics` looks at, where it does: a trial that nobody looked at has no looks."""
    settings = study.diagnostics
    return {"diagnostics": settings.model_dump(mode="json")} if settings.every else {}


def named_apart(study: Study) -> dict[str, object]:
    """Settings that ids name only where they are not the default: older ids stay what they were."""
    found: dict[str, object] = {}
    if study.inputs.max_tokens is not None:
        found["inputs"] = study.inputs.model_dump(mode="json")
    if study.memory.quantization != "none":
        found["quantization"] = study.memory.quantization
    return found


def data_fingerprint(task: Task, original: Prompt) -> str:
    """sha256 over all that decides a task: examples in order, format line, metric, test prompt."""
    rest = [task.suffix, task.metric, list(task.labels), task.max_new_tokens, original.text]
    digest = task.rows_hash()
    digest.update(f", {json.dumps(rest, ensure_ascii=False)}]".encode())
    return digest.hexdigest()


def stream_seed(seed: int, place: str, task: str) -> int:
    """The number that adapter initialisation, data order and dropout of one fine-tune start from.

    All prompts of a task at one `place` share it: in a paraphrase study the parent state, in a
    sequence the tasks learned before, so that strategies share it too. Two fine-tunes at different
    places never do, though a study gives them one `seed`: a past task and the trial after it would
    else start from one adapter.
    """
    text = f"{seed} {place} {task}"
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


def digest(**content: object) -> str:
    """Twelve hex digits of sha256 over plain content, whatever the order it is named in."""
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()[:12]
