"""What captions and tables rest on, as BibTeX, and where in a text each is cited.

The entries stand in `data/references.bib`; only what is known of a source stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from sapo_analysis.errors import unknown
from sapo_analysis.methods import find_method
from sapo_analysis.paper.latex import escaped
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.store import Run

SOFTWARE = "sapo_analysis"
CLAIMS = "shi2026sapo"
WORDS: Mapping[str, tuple[str, ...]] = {
    CLAIMS: (
        *("SAPO", "sapo", "sapp", "sapo-once"),
        *("claim", "claims", "claimed", "pre-update loss", "Pre-update loss"),
    ),
    "lopezpaz2017gem": ("BWT", "FWT", "backward transfer", "Backward transfer"),
    "hu2022lora": ("LoRA", "LoRAInc"),
    "wang2023olora": ("O-LoRA",),
    "kirkpatrick2017ewc": ("EWC",),
    "wei2025paft": ("PAFT", "paft"),
    "lester2021prompt": ("prompt tuning", "Prompt tuning"),
    "liu2021gpt": ("P-tuning",),
    "li2021prefix": ("prefix tuning", "Prefix tuning"),
    "liu2022tfew": ("IA3",),
    "huang2026tsloss": ("TSLoss",),
    "chen2023ptp": ("PTP",),
    "lu2025context": ("Context Tuning", "Context tuning", "context tuning", "CT-Prompt", "CT-KV"),
    "bo2026metatuner": ("MetaTuner",),
    "wang2024promot": ("ProMoT", "format ratio", "Format ratio", "normalized average"),
    "fisher1921": ("Fisher's z", "Fisher z", "Fisher's interval"),
    "student1908": ("Student's t", "Student t"),
    "spearman1904": ("Spearman's ρ", "Spearman"),
    "kendall1938": ("Kendall's τ", "Kendall"),
    "theil1950": ("Theil-Sen",),
    "sen1968": ("Theil-Sen", "Sen's interval"),
    "holm1979": ("Holm",),
    "westfall1993": ("Westfall and Young",),
    "clopper1934": ("Clopper and Pearson", "Clopper-Pearson"),
    "nadeau2003": ("Nadeau and Bengio",),
    "phipson2010": ("Permutation", "permutation", "shuffles", "shuffled"),
    SOFTWARE: (),
}
"""How a text names each source: behind the first of these that it has stands the citation."""
KEYS = tuple(WORDS)
"""What can be cited."""
_ENTRIES = Path(__file__).resolve().parents[1] / "data" / "references.bib"
_OF_POLICY = {
    "sapo": (CLAIMS,),
    "sapp": (CLAIMS,),
    "sapo-once": (CLAIMS,),
    "paft": ("wei2025paft",),
}


class Citing(Protocol):
    """A kind of figure or table."""

    @property
    def cites(self) -> tuple[str, ...]:
        """Keys of what it rests on."""


def cited(kind: Citing, runs: Sequence[Run] = (), method: str = "") -> tuple[str, ...]:
    """Keys of what a figure or table rests on, of what its runs used, and of this software.

    Each once, in the order of `KEYS`.

    Args:
        kind: of the figure or table.
        runs: that it shows.
        method: the one method that it shows; "": all of them.

    Raises:
        InputError: the kind names a key that there is not.
    """
    wanted = {*kind.cites, *(key for run in runs for key in _used(run, method)), SOFTWARE}
    return _in_order(wanted)


def bibtex(keys: Iterable[str]) -> str:
    """The entries of a `.bib` file, each once, in the order of `KEYS`; ASCII alone.

    Raises:
        InputError: there is no such key.
    """
    return "\n".join(_entry(key) for key in _in_order(set(keys)))


_READ_AT = {"doi": "https://doi.org/", "eprint": "https://arxiv.org/abs/", "url": ""}


def link_of(key: str) -> str:
    """Where a source can be read: its DOI, else on arXiv, else its address; "" of none.

    Raises:
        InputError: there is no such key.
    """
    entry = bibtex([key])
    for field, begin in _READ_AT.items():
        if found := re.search(rf"^  {field} = {{(.+?)}},?$", entry, re.M):
            return f"{begin}{found[1]}"
    return ""


def with_citations(text: str, keys: Iterable[str]) -> str:
    r"""A LaTeX text with `~\cite{…}` behind the first mention of each source.

    What it does not name is not cited, nor is the software: that is cited once in a paper.

    Raises:
        InputError: there is no such key.
    """
    places: dict[int, list[str]] = {}
    for key in _in_order(set(keys)):
        if (at := _mention(text, WORDS[key])) is not None:
            places.setdefault(at, []).append(key)
    for at in sorted(places, reverse=True):
        text = f"{text[:at]}~\\cite{{{','.join(places[at])}}}{text[at:]}"
    return text


def _mention(text: str, words: tuple[str, ...]) -> int | None:
    """Where the first mention ends: of whole words, and of the longest that begin there."""
    wanted = "|".join(re.escape(escaped(word)) for word in sorted(words, key=len, reverse=True))
    found = re.search(rf"(?<![\w+-])(?:{wanted})(?![\w+-])", text) if words else None
    return None if found is None else found.end()


def _used(run: Run, method: str) -> tuple[str, ...]:
    study = run.study
    if isinstance(study, ParaphraseStudy):
        return find_method(study.method).facts.cites
    if not run.is_sequence:
        return ()
    chosen = run.learned_in_turn.chosen_strategies
    strategies = [s for s in chosen if method in ("", s.method)]
    of_methods = (key for s in strategies for key in find_method(s.method).facts.cites)
    return (*of_methods, *(key for s in strategies for key in _OF_POLICY.get(s.policy, ())))


def _in_order(keys: set[str]) -> tuple[str, ...]:
    for key in sorted(keys):
        if key not in WORDS:
            raise unknown("key of a citation", key, list(KEYS))
    return tuple(key for key in KEYS if key in keys)


def _entry(key: str) -> str:
    if key != SOFTWARE:
        return _entries()[key]
    return (
        f"@misc{{{SOFTWARE},\n"
        "  key = {sapo-analysis},\n"
        "  title = {sapo-analysis: Does the Wording of a Training Prompt Decide What a Language"
        " Model Forgets?},\n"
        "  howpublished = {Software},\n"
        f"  note = {{Version {version('sapo-analysis')}}}\n}}\n"
    )


@lru_cache(maxsize=1)
def _entries() -> dict[str, str]:
    """The entries of the file by key, each with its line's end."""
    entries = re.finditer(r"^@\w+\{(\w+),\n.*?^\}\n", _ENTRIES.read_text("ascii"), re.M | re.S)
    return {entry[1]: entry[0] for entry in entries}
