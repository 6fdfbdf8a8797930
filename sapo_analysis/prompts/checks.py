"""Whether a candidate can stand beside a task's prompts: use it, look at it, or refuse it.

What would teach another task, change the layout or repeat a prompt is refused. What may be meant,
but weakens what a study can say, is flagged.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sapo_analysis.prompts.base import Prompt
from sapo_analysis.prompts.folding import folded as folded
from sapo_analysis.prompts.language import other_language
from sapo_analysis.prompts.leaks import Leaks
from sapo_analysis.prompts.paste import Candidate
from sapo_analysis.tasks import Task
from sapo_analysis.tasks.scripts import UNSPACED

Verdict = Literal["use", "flagged", "refused"]
MAX_LENGTH = 10_000
"""Characters of one prompt; the model at hand may read less, and says so before a run starts."""
LENGTH_RATIO = 2.0
"""A prompt this many times longer or shorter than the original differs in length too."""
ALIKE = 0.8
"""From this share of common words on (Dice, label words left out) two prompts are near-copies."""


@dataclass(frozen=True)
class Checked:
    """One candidate, where it stood, what becomes of it, and why."""

    place: str
    text: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()


_TAG = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|</?(?:s|bos|eos|pad|unk|think|system|user|assistant|start_of_turn"
    r"|end_of_turn|start|end|paraphrase)>|\[/?INST\]|<</?SYS>>|^#{2,}\s*(?:instruction|input|response)\b",
    re.IGNORECASE | re.MULTILINE,
)
_LAYOUT = re.compile(r"^\s*(text|input|answer|output)\s*:\s*$", re.IGNORECASE | re.MULTILINE)
_LABELLED = re.compile(
    r"^\s*(?:paraphrase|prompt|version|variation|option|rewording)\s*#?\d{1,3}\s*[:.)]",
    re.IGNORECASE,
)
_SPACED = rf"[^\W{UNSPACED}]"
"""A letter or digit of a script with spaces between words."""
_PLACEHOLDER = re.compile(
    # `[word](link)`, and `<b>` with its `</b>`, are markup.
    r"\{\{?\s*(?:\d{1,2}|[^\W\d][\w -]{0,29})?\s*\}?\}"
    r"|\[[^\W\d][\w -]{0,29}\](?!\()"
    r"|<(?P<name>[^\W\d][\w -]{0,29})>(?!.*</(?P=name)>)",
    re.DOTALL,
)


class Checker:
    """Checks candidates of one task against the prompts it has, and against each other."""

    def __init__(self, task: Task, original: str, taken: Sequence[tuple[str, str]]):
        """`taken` are the texts that may not come again, each with what it is called."""
        self._task = task
        self._original = original
        self._leaks = Leaks(task, original)
        self._labels = [x for x in task.labels if _names(original, x)]
        self._taken = {folded(text): name for name, text in taken}
        self._words = [(name, self._own_words(folded(text))) for name, text in taken]

    def check(self, candidates: Sequence[Candidate]) -> list[Checked]:
        """What becomes of each, in order; a later one may not repeat an earlier one."""
        return [self._checked(candidate) for candidate in candidates]

    def refusals(self, text: str) -> list[str]:
        """Why a text cannot be a prompt of this task; empty where it can. Repeats apart."""
        return [
            *_unusable(text),
            *(
                self._without_label(text, label)
                for label in self._labels
                if not _names(text, label)
            ),
            *(f"holds {tag.group()!r}, which models read as a mark" for tag in _first(_TAG, text)),
            *(
                f"holds the line {line.group().strip()!r}, which the layout adds by itself"
                for line in _first(_LAYOUT, text)
            ),
            *(f"begins with {x.group().strip()!r}: take that off" for x in _first(_LABELLED, text)),
            *self._with_suffix(text),
            *self._leaks.refusals(text),
        ]

    def flags(self, text: str) -> list[str]:
        """What to look at in a text that can be used. Near-copies apart."""
        return [
            *self._length(text),
            *_other_script(text, self._original),
            *other_language(text, self._original),
            *self._leaks.flags(text),
            *_invisible(text),
            *self._to_fill_in(text),
        ]

    def _to_fill_in(self, text: str) -> list[str]:
        found = (x.group() for x in _PLACEHOLDER.finditer(text))
        new = [x for x in found if x not in self._original]
        return [f"{x!r} looks like a place to fill in, and stays as it is" for x in new[:1]]

    def _checked(self, candidate: Candidate) -> Checked:
        place, text = candidate.place, candidate.text
        if candidate.refusal:
            return Checked(place, text, "refused", (candidate.refusal,))
        refusals = self.refusals(text)
        key = folded(text)
        if not refusals and key in self._taken:
            refusals = [f"repeats {self._taken[key]}; case, spaces and punctuation do not count"]
        if refusals:
            return Checked(place, text, "refused", tuple(refusals))
        own = self._own_words(key)
        near = [name for name, words in self._words if _alike(own, words) >= ALIKE]
        flags = [f"nearly repeats {near[0]}"] if near else []
        flags += self.flags(text)
        self._taken[key] = place
        self._words.append((place, own))
        return Checked(place, text, "flagged" if flags else "use", tuple(flags))

    def _own_words(self, key: str) -> Counter[str]:
        labels = {word for label in self._task.labels for word in folded(label).split()}
        return Counter(word for word in key.split() if word not in labels)

    def _without_label(self, text: str, label: str) -> str:
        if _names(text.casefold(), label.casefold()):
            return f"writes the label {label!r} in another case; answers are learned as {label!r}"
        return f"does not name the label {label!r}, as the original does"

    def _with_suffix(self, text: str) -> list[str]:
        suffix = folded(self._task.suffix)
        if suffix and suffix in folded(text):
            return ["holds the answer-format line, which is appended to every prompt"]
        return []

    def _length(self, text: str) -> list[str]:
        ratio = len(text) / len(self._original)
        if ratio > LENGTH_RATIO:
            return [f"{ratio:.1f} times as long as the original: length is a confound"]
        if ratio < 1 / LENGTH_RATIO:
            return [f"{1 / ratio:.1f} times shorter than the original: length is a confound"]
        return []


def checker_of(task: Task, bank: Sequence[Prompt], own: Iterable[str] = ()) -> Checker:
    """A checker against a task's bank, the original first, and the user's own texts."""
    called = {"original": "the original", "test-only": "a test-only prompt"}
    taken = []
    for prompt in bank:
        kind = "test-only" if prompt.test_only else prompt.source
        taken.append((called.get(kind, f"prompt {prompt.prompt_id}"), prompt.text))
    return Checker(task, bank[0].text, [*taken, *(("a prompt of your own", text) for text in own)])


def _unusable(text: str) -> list[str]:
    if not text.strip():
        return ["is empty"]
    if len(text) > MAX_LENGTH:
        return [f"has {len(text):,} characters; a prompt may have {MAX_LENGTH:,}"]
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs" or (category == "Cc" and character not in "\n\t"):
            return [f"holds the control character U+{ord(character):04X}"]
    if not any(character.isalnum() for character in text):
        return ["has neither letters nor digits"]
    return []


def _names(text: str, label: str) -> bool:
    """Whether the label stands in the text as a word of its own, exactly.

    Where words are not spaced any place is one: in "选A或B" both letters are.
    """
    return re.search(f"(?<!{_SPACED}){re.escape(label)}(?!{_SPACED})", text) is not None


def _first(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    found = pattern.search(text)
    return [found] if found else []


def _alike(one: Counter[str], other: Counter[str]) -> float:
    """Twice the common words over all words of both (0 to 1)."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if one and other else 0.0


def _other_script(text: str, original: str) -> list[str]:
    """Letters of a script that the original has none of; languages of one script look alike."""
    known = {_script(c) for c in original if c.isalpha()}
    found: dict[str, str] = {}
    for character in text:
        if character.isalpha() and _script(character) not in known:
            found.setdefault(_script(character), character)
    return [
        f"has letters of another script than the original: {script.capitalize()}, as in {letter!r}"
        for script, letter in found.items()
    ]


def _script(letter: str) -> str:
    """The script of a letter, by the first word of its Unicode name."""
    return unicodedata.name(letter, "unknown").split()[0].split("-")[0]


def _invisible(text: str) -> list[str]:
    for character in text:
        if unicodedata.category(character) == "Cf":
            name = unicodedata.name(character, "unnamed").lower()
            return [f"holds an invisible character: U+{ord(character):04X}, {name}"]
    return []
