"""What captions and tables rest on, as BibTeX. Only what is known of an entry stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

from sapo_analysis.errors import unknown
from sapo_analysis.paper.latex import escaped
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.store import Run

SOFTWARE = "sapo_analysis"
CLAIMS = "shi2026sapo"


@dataclass(frozen=True)
class Source:
    """One entry.

    Attributes:
        kind: of BibTeX: article, inproceedings, book, misc.
        fields: as BibTeX has them; a part of a title that keeps its capitals stands in braces.
        words: how a caption names it: behind the first of these that it has stands the citation.
    """

    kind: str
    fields: Mapping[str, str]
    words: tuple[str, ...] = ()


def _article(author: str, title: str, journal: str, volume: str, **rest: str) -> dict[str, str]:
    return {"author": author, "title": title, "journal": journal, "volume": volume, **rest}


SOURCES: dict[str, Source] = {
    CLAIMS: Source(
        "misc",
        {
            "author": "Shi, Wenhang and Chen, Yiren and Bian, Shuqing and Zhao, Zhe and"
            " Dong, Jinhao and Hu, Pengfei and Lu, Wei and Du, Xiaoyong",
            "title": "Training Prompt Matters: State-Adaptive Optimization for Robust Fine-Tuning",
            "year": "2026",
            "eprint": "2606.01967",
            "archiveprefix": "arXiv",
            "primaryclass": "cs.CL",
            "note": "arXiv:2606.01967",
        },
        ("SAPO", "claim", "claims", "claimed", "pre-update loss", "Pre-update loss"),
    ),
    "lopezpaz2017gem": Source(
        "inproceedings",
        {
            "author": "Lopez-Paz, David and Ranzato, Marc'Aurelio",
            "title": "Gradient Episodic Memory for Continual Learning",
            "booktitle": "Advances in Neural Information Processing Systems",
            "volume": "30",
            "pages": "6467--6476",
            "year": "2017",
        },
        ("BWT", "FWT", "backward transfer", "Backward transfer"),
    ),
    "hu2022lora": Source(
        "inproceedings",
        {
            "author": "Hu, Edward J. and Shen, Yelong and Wallis, Phillip and Allen-Zhu, Zeyuan and"
            " Li, Yuanzhi and Wang, Shean and Wang, Lu and Chen, Weizhu",
            "title": "{LoRA}: Low-Rank Adaptation of Large Language Models",
            "booktitle": "International Conference on Learning Representations",
            "year": "2022",
        },
        ("LoRA",),
    ),
    "wang2023olora": Source(
        "inproceedings",
        {
            "author": "Wang, Xiao and Chen, Tianze and Ge, Qiming and Xia, Han and Bao, Rong and"
            " Zheng, Rui and Zhang, Qi and Gui, Tao and Huang, Xuanjing",
            "title": "Orthogonal Subspace Learning for Language Model Continual Learning",
            "booktitle": "Findings of the Association for Computational Linguistics: {EMNLP} 2023",
            "pages": "10658--10671",
            "year": "2023",
            "doi": "10.18653/v1/2023.findings-emnlp.715",
        },
        ("O-LoRA",),
    ),
    "kirkpatrick2017ewc": Source(
        "article",
        _article(
            "Kirkpatrick, James and Pascanu, Razvan and Rabinowitz, Neil and Veness, Joel and"
            " Desjardins, Guillaume and Rusu, Andrei A. and Milan, Kieran and Quan, John and"
            " Ramalho, Tiago and Grabska-Barwinska, Agnieszka and Hassabis, Demis and"
            " Clopath, Claudia and Kumaran, Dharshan and Hadsell, Raia",
            "Overcoming Catastrophic Forgetting in Neural Networks",
            "Proceedings of the National Academy of Sciences",
            "114",
            number="13",
            pages="3521--3526",
            year="2017",
            doi="10.1073/pnas.1611835114",
        ),
        ("EWC",),
    ),
    "wei2025paft": Source(
        "inproceedings",
        {
            "author": "Wei, Chenxing and Shu, Yao and Ou, Mingwen and He, Ying Tiffany and"
            " Yu, Fei Richard",
            "title": "{PAFT}: Prompt-Agnostic Fine-Tuning",
            "booktitle": "Proceedings of the 2025 Conference on Empirical Methods in Natural"
            " Language Processing",
            "pages": "694--717",
            "year": "2025",
            "doi": "10.18653/v1/2025.emnlp-main.37",
        },
        ("PAFT", "paft"),
    ),
    "fisher1921": Source(
        "article",
        _article(
            "Fisher, R. A.",
            "On the ``Probable Error'' of a Coefficient of Correlation Deduced from a Small Sample",
            "Metron",
            "1",
            pages="3--32",
            year="1921",
        ),
        ("Fisher's z", "Fisher z", "Fisher's interval"),
    ),
    "student1908": Source(
        "article",
        _article(
            "{Student}",
            "The Probable Error of a Mean",
            "Biometrika",
            "6",
            number="1",
            pages="1--25",
            year="1908",
            doi="10.1093/biomet/6.1.1",
        ),
        ("Student's t", "Student t"),
    ),
    "spearman1904": Source(
        "article",
        _article(
            "Spearman, C.",
            "The Proof and Measurement of Association between Two Things",
            "The American Journal of Psychology",
            "15",
            number="1",
            pages="72--101",
            year="1904",
            doi="10.2307/1412159",
        ),
        ("Spearman's ρ", "Spearman"),
    ),
    "kendall1938": Source(
        "article",
        _article(
            "Kendall, M. G.",
            "A New Measure of Rank Correlation",
            "Biometrika",
            "30",
            number="1/2",
            pages="81--93",
            year="1938",
            doi="10.2307/2332226",
        ),
        ("Kendall's τ", "Kendall"),
    ),
    "theil1950": Source(
        "article",
        _article(
            "Theil, H.",
            "A Rank-Invariant Method of Linear and Polynomial Regression Analysis {I}, {II} and"
            " {III}",
            "Proceedings of the Koninklijke Nederlandse Akademie van Wetenschappen",
            "53",
            pages="386--392, 521--525, 1397--1412",
            year="1950",
        ),
        ("Theil-Sen",),
    ),
    "sen1968": Source(
        "article",
        _article(
            "Sen, Pranab Kumar",
            "Estimates of the Regression Coefficient Based on {Kendall}'s Tau",
            "Journal of the American Statistical Association",
            "63",
            number="324",
            pages="1379--1389",
            year="1968",
            doi="10.1080/01621459.1968.10480934",
        ),
        ("Theil-Sen", "Sen's interval"),
    ),
    "holm1979": Source(
        "article",
        _article(
            "Holm, Sture",
            "A Simple Sequentially Rejective Multiple Test Procedure",
            "Scandinavian Journal of Statistics",
            "6",
            number="2",
            pages="65--70",
            year="1979",
        ),
        ("Holm",),
    ),
    "westfall1993": Source(
        "book",
        {
            "author": "Westfall, Peter H. and Young, S. Stanley",
            "title": "Resampling-Based Multiple Testing: Examples and Methods for p-Value"
            " Adjustment",
            "publisher": "Wiley",
            "address": "New York",
            "year": "1993",
        },
        ("Westfall and Young",),
    ),
    "clopper1934": Source(
        "article",
        _article(
            "Clopper, C. J. and Pearson, E. S.",
            "The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial",
            "Biometrika",
            "26",
            number="4",
            pages="404--413",
            year="1934",
            doi="10.1093/biomet/26.4.404",
        ),
        ("Clopper and Pearson", "Clopper-Pearson"),
    ),
    "nadeau2003": Source(
        "article",
        _article(
            "Nadeau, Claude and Bengio, Yoshua",
            "Inference for the Generalization Error",
            "Machine Learning",
            "52",
            number="3",
            pages="239--281",
            year="2003",
            doi="10.1023/A:1024068626366",
        ),
        ("Nadeau and Bengio",),
    ),
    "phipson2010": Source(
        "article",
        _article(
            "Phipson, Belinda and Smyth, Gordon K.",
            "Permutation P-values Should Never Be Zero: Calculating Exact P-values When"
            " Permutations Are Randomly Drawn",
            "Statistical Applications in Genetics and Molecular Biology",
            "9",
            number="1",
            year="2010",
            doi="10.2202/1544-6115.1585",
        ),
        ("Permutation", "permutation", "shuffles", "shuffled"),
    ),
    SOFTWARE: Source(
        "misc",
        {
            "key": "sapo-analysis",
            "title": "sapo-analysis: Does the Wording of a Training Prompt Decide What a Language"
            " Model Forgets?",
            "howpublished": "Software",
        },
    ),
}
KEYS = tuple(SOURCES)
"""What can be cited."""
_OF_METHOD = {
    "lora": ("hu2022lora",),
    "lora-inc": ("hu2022lora",),
    "o-lora": ("hu2022lora", "wang2023olora"),
    "ewc": ("hu2022lora", "kirkpatrick2017ewc"),
    "replay": ("hu2022lora",),
    "full": (),
}
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


def with_citations(text: str, keys: Iterable[str]) -> str:
    r"""A LaTeX text with `~\cite{…}` behind the first mention of each source.

    What it does not mention is cited at its end, as what its methods are taken from. The software
    is cited once in a paper, not under each figure.

    Raises:
        InputError: there is no such key.
    """
    places: dict[int, list[str]] = {}
    rest: list[str] = []
    for key in _in_order(set(keys) - {SOFTWARE}):
        if (at := _mention(text, SOURCES[key].words)) is None:
            rest.append(key)
        else:
            places.setdefault(at, []).append(key)
    for at in sorted(places, reverse=True):
        text = f"{text[:at]}~\\cite{{{','.join(places[at])}}}{text[at:]}"
    return f"{text} Methods:~\\cite{{{','.join(rest)}}}." if rest else text


def _mention(text: str, words: tuple[str, ...]) -> int | None:
    """Where the first mention ends: of whole words, and of the longest that begin there."""
    wanted = "|".join(re.escape(escaped(word)) for word in sorted(words, key=len, reverse=True))
    found = re.search(rf"(?<![\w-])(?:{wanted})(?![\w-])", text) if words else None
    return None if found is None else found.end()


def _used(run: Run, method: str) -> tuple[str, ...]:
    study = run.study
    if isinstance(study, ParaphraseStudy):
        return _OF_METHOD[study.method]
    if not run.is_sequence:
        return ()
    chosen = run.learned_in_turn.chosen_strategies
    strategies = [s for s in chosen if method in ("", s.method)]
    of_methods = (key for s in strategies for key in _OF_METHOD[s.method])
    return (*of_methods, *(key for s in strategies for key in _OF_POLICY.get(s.policy, ())))


def _in_order(keys: set[str]) -> tuple[str, ...]:
    for key in sorted(keys):
        if key not in SOURCES:
            raise unknown("key of a citation", key, list(KEYS))
    return tuple(key for key in KEYS if key in keys)


def _entry(key: str) -> str:
    source = SOURCES[key]
    fields = dict(source.fields)
    if key == SOFTWARE:
        fields["note"] = f"Version {version('sapo-analysis')}"
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{source.kind}{{{key},\n{lines}\n}}\n"
