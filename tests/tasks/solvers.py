"""A second, independent way to every answer, from the input text alone."""

from __future__ import annotations

import re

from sapo_analysis.tasks.pocket import lexicon


def tokens(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+|\d+", text)


def only_label(text: str, groups: dict[str, tuple[str, ...]]) -> str:
    """The label of the one word of the text that is in one of the groups."""
    found = [label for word in tokens(text) for label, members in groups.items() if word in members]
    assert len(found) == 1, (text, found)
    return found[0]


def only_partner(text: str, partner: dict[str, str]) -> str:
    found = [partner[word] for word in tokens(text) if word in partner]
    assert len(found) == 1, (text, found)
    return found[0]


def person(text: str) -> str:
    # Names are the capital words that no sentence needs: "In" and "The" open sentences.
    found = [w for w in tokens(text) if w[0].isupper() and w not in ("In", "The")]
    assert len(found) == 1, (text, found)
    return found[0]


def odd_one_out(text: str) -> str:
    items = text.split(" ")
    kinds = [next(k for k, words in lexicon.CATEGORY.items() if item in words) for item in items]
    odd = [item for item, kind in zip(items, kinds, strict=True) if kinds.count(kind) == 1]
    assert len(odd) == 1 and len(set(kinds)) == 2, text
    return odd[0]


def member(text: str) -> str:
    asked, _, listed = text.partition(": ")
    return "yes" if listed.split().count(asked) > 0 else "no"


def plural(text: str) -> str:
    singular = text.rstrip(".").rsplit(" ", 1)[1]
    if singular == "wolf" or singular == "scarf":
        return singular[:-1] + "ves"
    if re.search(r"(s|x|ch)$", singular):
        return singular + "es"
    if re.search(r"[^aeiou]y$", singular):
        return singular[:-1] + "ies"
    return singular + ("es" if singular == "chilli" else "s")


def opposite(text: str) -> str:
    quality = text.rstrip(".").rsplit(" ", 1)[1]
    partners = [b for pair in lexicon.OPPOSITE_PAIRS for a, b in (pair, pair[::-1]) if a == quality]
    assert len(partners) == 1, text
    return partners[0]


def translate(text: str) -> str:
    answer = text
    for word, zubo in lexicon.ZUBO.items():
        answer = re.sub(rf"\b{word}\b", zubo.upper(), answer)
    assert answer.isupper(), text
    return answer.lower()


def add(text: str) -> str:
    left, right = re.findall(r"\d+", text)
    return str(len("x" * int(left) + "x" * int(right)))


def bigger(text: str) -> str:
    left, right = text.split(" and ")
    assert left != right
    # Equal length, so text order is number order.
    assert len(left) == len(right) == 2
    return sorted([left, right])[-1]


SOLVERS = {
    "sentiment": lambda text: only_label(text, lexicon.SENTIMENT),
    "topic": lambda text: only_label(text, lexicon.TOPIC),
    "category": lambda text: only_label(text, lexicon.CATEGORY),
    "place": lambda text: only_label(text, lexicon.PLACE),
    "colour": lambda text: only_label(text, lexicon.COLOUR),
    "first_word": lambda text: text[: text.index(" ")],
    "last_word": lambda text: text[text.rindex(" ") + 1 :],
    "reverse": lambda text: re.sub(
        r"^(\w+) (?:(\w+) )?(\w+)$", lambda m: " ".join(g for g in m.group(3, 2, 1) if g), text
    ),
    "person": person,
    "odd_one_out": odd_one_out,
    "count": lambda text: str(text.count(" ") + 1),
    "bigger": bigger,
    "add": add,
    "translate": translate,
    "opposite": opposite,
    "plural": plural,
    "member": member,
}
