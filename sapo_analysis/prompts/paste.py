"""Pasted text to candidate paraphrases: lines or blocks, freed of what chatbots put around them.

Nothing is dropped silently: a line that is no prompt stays in the result with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sapo_analysis.errors import InputError

MAX_CHARACTERS = 1_000_000
MAX_CANDIDATES = 500
TEXT_KEYS = ("text", "prompt", "paraphrase", "instruction")
"""What a column or a JSON field with the prompt may be called; case does not count."""
LIST_KEYS = ("prompts", "paraphrases", "texts")
"""What a JSON field with a list of prompts may be called."""


@dataclass(frozen=True)
class Candidate:
    """One line, block or entry: where it stood, its text, and why it is no prompt ("": it is)."""

    place: str
    text: str
    refusal: str = ""


_BLOCK = re.compile(r"-{3,}[ \t]*")
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})[\w+-]*\s*")
_TAGGED = re.compile(r"<(start|paraphrase)>(.*?)</?(?:\1|end)>", re.IGNORECASE | re.DOTALL)
"""A text between the marks that requests for paraphrases ask for, as the released one does."""
_LABEL = r"(?:paraphrase|prompt|version|variation|variant|option|rewording|alternative)"
_MARKERS = {
    "number": re.compile(r"(?:\*\*)?(?:\(\d{1,3}\)|#?\d{1,3}[.):])(?:\*\*)?\s+(?=\S)"),
    "bullet": re.compile(r"[-*+\u2022\u2023\u25aa\u25e6\u00b7\u2013\u2014]\s+(?=\S)"),
    "label": re.compile(
        rf"(?:\*\*)?{_LABEL}\s*(?:no\.?\s*)?#?\d{{1,3}}\s*(?:\*\*)?\s*[:.)\u2013\u2014-]\s*(?:\*\*)?\s*(?=\S)",
        re.IGNORECASE,
    ),
}
_QUOTES = {
    '"': '"',
    "'": "'",
    "`": "`",
    "\u201c": "\u201d",
    "\u201e": "\u201c",
    "\u2018": "\u2019",
    "\u00ab": "\u00bb",
}
_NOUNS = (
    r"\b(?:paraphras\w*|prompts?|versions?|variations?|variants?|rewordings?|rephras\w*|alternatives?"
    r"|rewrit\w*|wordings?|options?|ways|instructions?)\b"
)
_REWORDED = r"\b(?:paraphras\w*|prompts|versions|variations|rewordings?|rephras\w*|rewrit\w*)\b"
_IF_NOT = "if it is a prompt, give the prompts as a list with - before each"
_OPENER = re.compile(
    r"(?:sure|certainly|of course|absolutely|gladly|okay|ok|great|got it|happy to help"
    r"|as requested)\b.*[:!.]$",
    re.IGNORECASE,
)
_HERE = re.compile(r"here (?:are|is|you)\b|here['\u2019]s\b", re.IGNORECASE)
_BELOW = re.compile(
    r"(?:below (?:are|is|you)|the following|these are|i(?:['\u2019]ve| have))\b", re.IGNORECASE
)
_CLOSER = re.compile(
    r"(?:let me know|(?:i )?hope (?:this|these)|feel free|would you like me|do you want me|shall i"
    r"|if you(?:['\u2019]d| would)? (?:like|want|need)|i can also|all of (?:these|them)"
    r"|each of these|note:)",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"(?:(?:i['\u2019]?m |i am )?sorry, (?:but )?i\b|as an ai\b"
    r"|(?:unfortunately, )?i (?:can(?:no|['\u2019])t|am (?:not able|unable) to|won['\u2019]t)"
    r" (?:help|assist|comply|fulfil|provide|create|generate|write|rephrase|paraphrase|continue)\b)",
    re.IGNORECASE,
)
_HEADING = re.compile(r"#{1,6}\s+\S|\*\*[^*]+:?\*\*:?$")


def parse_text(text: str) -> list[Candidate]:
    """The candidates in pasted text: one per line, or blocks parted by lines of `---`.

    List markers, quotation marks around a whole line, a code block around them all and JSON lists
    are taken off. Greetings and comments of a chatbot are refused, and so is what stands beside a
    list or a code block. Empty lines part and are no candidates.

    Raises:
        InputError: the text is longer than `MAX_CHARACTERS`, holds no candidate at all, or more
            than `MAX_CANDIDATES`.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"The text has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read at once."
            " Give it in parts."
        )
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    plain = "\n".join(lines)
    found = _json_candidates(text) or list(_from_tags(plain))
    found = found or list(_from_lines(list(enumerate(lines, start=1))))
    return checked_number(found, "The text")


def checked_number(found: list[Candidate], what: str) -> list[Candidate]:
    """The same candidates, unless there are none or too many.

    Raises:
        InputError: which of the two it is.
    """
    if not found:
        raise InputError(f"{what} holds no prompt. Give one per line, or blocks parted by ---.")
    if len(found) > MAX_CANDIDATES:
        raise InputError(
            f"{what} holds {len(found):,} lines or entries; at most {MAX_CANDIDATES} are read at"
            " once. Give it in parts."
        )
    return found


def to_text(texts: Sequence[str]) -> str:
    """Prompts as `parse_text` reads them: one per line, or blocks where one has several lines."""
    several = any("\n" in text for text in texts)
    return ("\n---\n" if several else "\n").join(texts) + "\n"


def from_json(data: object) -> list[Candidate] | None:
    """The candidates of a JSON value; None where it holds no list of prompts.

    Such a list has texts, or objects with a text, and may stand under a name of `LIST_KEYS`.
    """
    if isinstance(data, dict):
        lists = [value for key, value in data.items() if str(key).lower() in LIST_KEYS]
        return from_json(lists[0]) if lists and isinstance(lists[0], list) else None
    if not isinstance(data, list):
        return None
    return [from_entry(f"entry {i}", entry) for i, entry in enumerate(data, start=1)]


def from_entry(place: str, entry: object) -> Candidate:
    """The candidate of one JSON entry; one without a text is refused."""
    if isinstance(entry, str):
        return tidied(Candidate(place, entry))
    if not isinstance(entry, dict):
        return Candidate(place, shown(entry), "is no text, but a JSON " + _json_kind(entry))
    texts = [value for key, value in entry.items() if str(key).lower() in TEXT_KEYS]
    if not texts or not isinstance(texts[0], str):
        return Candidate(place, shown(entry), f"has no text under {', '.join(TEXT_KEYS)}")
    return tidied(Candidate(place, texts[0]))


def tidied(candidate: Candidate) -> Candidate:
    """A candidate without outer white space; half characters, which no page can show, refused."""
    text = candidate.text.strip()
    if any("\ud800" <= c <= "\udfff" for c in text):
        visible = text.encode("utf-8", "backslashreplace").decode("utf-8")
        reason = "holds half of a surrogate pair, which is no character"
        return Candidate(candidate.place, visible, candidate.refusal or reason)
    return replace(candidate, text=text)


def shown(value: object) -> str:
    """A JSON value as text for the list of refused lines."""
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 200 else f"{text[:200]} …"


def _json_kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "true, false or null"
    return "number" if isinstance(value, int | float) else "list"


_Numbered = list[tuple[int, str]]
"""Lines with their numbers in what was pasted, from 1."""


def _json_candidates(text: str) -> list[Candidate] | None:
    """What a text that is wholly JSON holds; None for any other text."""
    if text.strip()[:1] not in ("[", "{"):
        return None
    try:
        return from_json(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _from_tags(text: str) -> Iterator[Candidate]:
    """What stands between marks such as <START> and </START>; nothing where there are none."""
    spans = list(_TAGGED.finditer(text))
    end = 0
    for span in spans:
        yield from _outside_tags(text, end, span.start())
        end = span.end()
        first = text.count("\n", 0, span.start(2)) + 1
        inside = span[2].split("\n")
        if len(spans) == 1 and len(inside) > 1:  # one pair around all of them
            yield from _from_lines(list(enumerate(inside, start=first)))
        else:
            yield _line(first, _unquoted(span[2].strip()))
    if spans:
        yield from _outside_tags(text, end, len(text))


def _outside_tags(text: str, start: int, end: int) -> Iterator[Candidate]:
    first = text.count("\n", 0, start) + 1
    for number, line in enumerate(text[start:end].split("\n"), start=first):
        if any(character.isalpha() for character in line):
            yield _line(number, line, "stands outside the reply's marks")


def _from_lines(lines: _Numbered) -> Iterator[Candidate]:
    outside, inside = _by_fence(lines)
    if inside:
        for number, line in outside:
            if line.strip() and not _BLOCK.fullmatch(line):
                yield _line(number, line, "stands outside the reply's code block")
        within = "\n".join(line for _, line in inside)
        yield from _json_candidates(within) or _from_blocks(inside)
    else:
        yield from _from_blocks(outside)


def _by_fence(lines: _Numbered) -> tuple[_Numbered, _Numbered]:
    """Lines outside and inside code blocks; the fences themselves are in neither."""
    outside: _Numbered = []
    inside: _Numbered = []
    fenced = False
    for number, line in lines:
        if _FENCE.fullmatch(line):
            fenced = not fenced
        else:
            (inside if fenced else outside).append((number, line))
    return outside, inside if any(line.strip() for _, line in inside) else []


def _from_blocks(lines: _Numbered) -> Iterator[Candidate]:
    blocks: list[_Numbered] = [[]]
    for number, line in lines:
        if _BLOCK.fullmatch(line):
            blocks.append([])
        elif line.strip():
            blocks[-1].append((number, line))
        elif blocks[-1]:
            blocks[-1].append((number, ""))  # an empty line inside a block is the prompt's own
    blocks = [_without_trailing_empty(block) for block in blocks if block]
    # Chatbots draw lines of --- around a list too: then its lines are the candidates.
    if len(blocks) < 2 or any(_is_list(block) for block in blocks):
        yield from _from_list([line for block in blocks for line in block if line[1]])
        return
    for block in blocks:
        if len(block) == 1:
            yield from _from_list(block)
        else:
            number = block[0][0]
            place = f"lines {number} to {block[-1][0]}"
            yield tidied(Candidate(place, "\n".join(line for _, line in block)))


def _without_trailing_empty(block: _Numbered) -> _Numbered:
    while block and not block[-1][1]:
        block = block[:-1]
    return block


def _from_list(lines: _Numbered) -> Iterator[Candidate]:
    """Candidates of lines: the entries where they are a list, else every line."""
    thinking = False
    kept: _Numbered = []
    refused: dict[int, Candidate] = {}
    for number, line in lines:
        starts, ends = "<think>" in line, "</think>" in line
        if thinking or starts or ends:
            refused[number] = _line(number, line, "is a chatbot's thinking")
            thinking = (thinking or starts) and not ends
        elif reason := _chatter(line.strip()):
            refused[number] = _line(number, line, reason)
        else:
            kept.append((number, line))
    kind = _list_kind(kept)
    for number, line in lines:
        if number in refused:
            yield refused[number]
        elif kind is None:
            yield _line(number, _unquoted(line.strip()))
        elif marker := _MARKERS[kind].match(line.strip()):
            yield _line(number, _unquoted(line.strip()[marker.end() :]))
        else:
            reason = (
                "stands beside the list: mark every line, or none; if it continues an entry, put"
                " both on one line"
            )
            yield _line(number, line, reason)


def _is_list(block: _Numbered) -> bool:
    """Whether every line of a block, but for what introduces it, is an entry of one list."""
    own = [(number, line) for number, line in block if line and not _chatter(line.strip())]
    kind = _list_kind(own)
    return (
        kind is not None
        and len(own) > 1
        and all(_MARKERS[kind].match(line.strip()) for _, line in own)
    )


def _list_kind(lines: _Numbered) -> str | None:
    """How the entries of a list are marked; None where the lines are no list."""
    written = [line.strip() for _, line in lines if line.strip()]
    counts = {kind: sum(bool(m.match(w)) for w in written) for kind, m in _MARKERS.items()}
    kind = max(counts, key=lambda name: counts[name])
    return kind if counts[kind] > 1 or counts[kind] == len(written) == 1 else None


def _chatter(line: str) -> str:
    """Why a line is a chatbot's own word, not a prompt; "" where it may be a prompt."""
    if _HEADING.match(line):
        return f"is a heading; {_IF_NOT}"
    words = len(line.split())
    about_prompts = re.search(_NOUNS, line, re.IGNORECASE) is not None
    ends = line.endswith(":")
    introduces = (
        (_OPENER.match(line) and (ends or about_prompts or words <= 3))
        or (_HERE.match(line) and line[-1:] in ":.!" and (about_prompts or words <= 4))
        or (_BELOW.match(line) and ends and about_prompts)
        or (ends and re.search(rf"{_REWORDED}[^,;]*:$", line, re.IGNORECASE))
    )
    if introduces:
        return f"introduces the reply; {_IF_NOT}"
    if _REFUSAL.match(line):
        return f"is a chatbot's refusal; {_IF_NOT}"
    if _CLOSER.match(line) and not ends:
        return f"is a remark about the reply; {_IF_NOT}"
    return ""


def _unquoted(text: str) -> str:
    """Without the emphasis or the quotation marks around the whole text, if there are any."""
    bare = text.rstrip(",") if text[:1] in _QUOTES else text
    if len(bare) > 4 and bare.startswith("**") and bare.endswith("**") and "**" not in bare[2:-2]:
        return _unquoted(bare[2:-2].strip())
    closing = _QUOTES.get(bare[:1])
    inner = bare[1:-1]
    if closing is None or len(bare) < 3 or not bare.endswith(closing):
        return text
    # An apostrophe inside is no end; a quotation inside means that the outer marks are two.
    is_open = re.search(r"(?:^|\s)'|'(?=\s)", inner) if closing == "'" else closing in inner
    return text if is_open or bare[0] in inner.replace("'", "") else inner.strip()


def _line(number: int, text: str, refusal: str = "") -> Candidate:
    return tidied(Candidate(f"line {number}", text, refusal))
