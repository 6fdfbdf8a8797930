"""BibTeX that a strict reader takes, and citations where a caption names what it rests on."""

import re
from dataclasses import dataclass

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.paper.citations import KEYS, SOFTWARE, bibtex, cited, with_citations
from sapo_analysis.paper.figures import FIGURES
from sapo_analysis.paper.tables import TABLES

NEEDED = {
    "article": {"author", "title", "journal", "volume", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "book": {"author", "title", "publisher", "year"},
    "misc": {"title"},
}


@dataclass(frozen=True)
class Kind:
    cites: tuple[str, ...] = ()


def parsed(text):
    """Entries of a .bib file by key: a reader that takes nothing but what BibTeX's grammar has."""
    found = {}
    at = 0
    while at < len(text):
        if text[at] == "\n":
            at += 1
            continue
        head = re.compile(r"@(\w+)\{([A-Za-z0-9_:-]+),\n").match(text, at)
        assert head, text[at : at + 60]
        kind, key = head.groups()
        assert key not in found, f"{key} stands twice"
        at, fields = head.end(), {}
        while text[at] != "}":
            name = re.compile(r"  ([a-z]+) = \{").match(text, at)
            assert name, text[at : at + 60]
            start = at = name.end()
            depth = 1
            while depth:
                depth += {"{": 1, "}": -1}.get(text[at], 0)
                at += 1
            fields[name[1]] = text[start : at - 1]
            at += text[at] == ","
            assert text[at] == "\n"
            at += 1
        found[key] = (kind, fields)
        at += 1
    return found


def test_every_entry_is_whole():
    entries = parsed(bibtex(KEYS))
    assert tuple(entries) == KEYS
    for key, (kind, fields) in entries.items():
        assert NEEDED[kind] <= set(fields), key
        assert all(fields.values()), key
        assert not re.search(r"[%#$&_]", "".join(v for n, v in fields.items() if n != "doi")), key
    assert bibtex(KEYS).isascii()


def test_who_wrote_what_and_when():
    entries = parsed(bibtex(KEYS))
    kind, sapo = entries["shi2026sapo"]
    assert (kind, sapo["eprint"], sapo["year"]) == ("misc", "2606.01967", "2026")
    assert sapo["author"].count(" and ") == 7 and sapo["author"].startswith("Shi, Wenhang")
    years = {key: fields["year"] for key, (_, fields) in entries.items() if "year" in fields}
    assert all(key.startswith("sapo") or years[key] in key for key in years), years
    assert "year" not in entries[SOFTWARE][1] and "author" not in entries[SOFTWARE][1]


def test_an_entry_stands_once_in_the_order_of_the_keys():
    assert list(parsed(bibtex(["holm1979", "fisher1921", "holm1979"]))) == [
        "fisher1921",
        "holm1979",
    ]


def test_no_keys_no_text():
    assert bibtex([]) == ""


def test_an_unknown_key_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="key of a citation 'holm'. Did you mean 'holm1979'"):
        bibtex(["holm"])
    with pytest.raises(InputError, match="Known: "):
        cited(Kind(("nobody2020",)))


def test_kinds_cite_what_there_is():
    for kind in (*FIGURES.values(), *TABLES.values()):
        assert set(kind.cites) <= set(cited(kind)) <= set(KEYS), kind.name


def test_what_runs_used_is_cited(study_numbers, sequence_numbers):
    assert cited(Kind(("holm1979",))) == ("holm1979", SOFTWARE)
    assert cited(Kind(), study_numbers.runs) == ("hu2022lora", SOFTWARE)
    assert cited(Kind(), sequence_numbers.runs) == (
        *("shi2026sapo", "hu2022lora", "wang2023olora", "wei2025paft"),
        SOFTWARE,
    )


def test_of_one_method_only_what_it_used_is_cited(sequence_numbers):
    runs = sequence_numbers.runs
    assert cited(Kind(), runs, "o-lora") == ("hu2022lora", "wang2023olora", SOFTWARE)
    assert "wang2023olora" not in cited(Kind(), runs, "lora")


def test_a_citation_stands_behind_the_first_mention_of_a_whole_word():
    text = "O-LoRA and LoRA against LoRAInc; LoRA."
    assert with_citations(text, ["hu2022lora", "wang2023olora"]) == (
        r"O-LoRA~\cite{wang2023olora} and LoRA~\cite{hu2022lora} against LoRAInc; LoRA."
    )


def test_two_sources_of_one_word_share_a_citation():
    assert with_citations("Theil-Sen slope.", ["sen1968", "theil1950"]) == (
        r"Theil-Sen~\cite{theil1950,sen1968} slope."
    )


def test_symbols_are_found_as_latex_writes_them():
    assert with_citations(r"Spearman's $\rho$ = 0.5.", ["spearman1904"]) == (
        r"Spearman's $\rho$~\cite{spearman1904} = 0.5."
    )


def test_what_is_not_named_is_not_cited_and_the_software_never_is():
    assert with_citations("Nothing.", ["holm1979", SOFTWARE]) == "Nothing."


@pytest.mark.parametrize("whole", ["sapo+lora", "sapo-two", "my-sapo", "LoRA+sapo", "SAPOs"])
def test_a_part_of_a_name_is_no_mention_of_its_source(whole):
    assert with_citations(f"{whole} wins.", ["shi2026sapo"]) == f"{whole} wins."


def test_the_policies_of_the_claims_are_theirs():
    assert with_citations("policies random, sapo, sapp.", ["shi2026sapo"]) == (
        r"policies random, sapo~\cite{shi2026sapo}, sapp."
    )
