"""Which files of a model's repository a study needs: no duplicates, nothing to unpickle."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sapo_analysis.errors import InputError
from sapo_analysis.hub.subject import Subject
from sapo_analysis.model_files import not_causal
from sapo_analysis.model_files.weights import INDEX, SINGLE

_ALWAYS = {
    *("config.json", "generation_config.json", "chat_template.jinja", "chat_template.json"),
    *("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "spiece.model"),
    *("vocab.json", "vocab.txt", "merges.txt", "special_tokens_map.json", "added_tokens.json"),
}
_PART = re.compile(r"model-\d+-of-\d+\.safetensors")


def wanted(
    names: Sequence[str], config: Mapping[str, Any], remote_code: bool, subject: Subject
) -> list[str]:
    """The names to fetch, out of all of a repository.

    Configuration, tokenizer and one set of weights in safetensors from the repository's root; its
    own code with `remote_code`.

    Raises:
        InputError: it holds no causal language model in safetensors.
    """
    there = set(names)
    what = f"Model {subject.id!r}"
    if "config.json" not in there:
        if "adapter_config.json" in there:
            raise InputError(
                f"{what} is an adapter, not a whole model. Fetch its base model (named at"
                f" {subject.page}), merge the two in peft and give the folder."
            )
        raise InputError(
            f"{what} has no config.json, so transformers cannot load it. Look at {subject.page} for"
            " the original that it was made from."
        )
    if reason := not_causal(config):
        raise InputError(f"{what} {reason}")
    weights = _weights(there)
    if not weights:
        raise InputError(
            f"{what} has no weights in safetensors, and other formats are not loaded: opening one"
            f" can run code. Look at {subject.page}/discussions for a revision that has them"
            f" (sapo fetch {subject.id}@refs/pr/N)."
        )
    code = {name for name in there if name.endswith(".py")} if remote_code else set()
    return sorted((_ALWAYS & there) | weights | code)


def _weights(names: set[str]) -> set[str]:
    """One set: the single file, which transformers prefers too, else the parts and their index."""
    if SINGLE in names:
        return {SINGLE}
    parts = {name for name in names if _PART.fullmatch(name)}
    return {INDEX, *parts} if INDEX in names and parts else set()
