"""Whether a text reads like another language than the original: a guess by its commonest words.

Languages of one script look alike to every other check. Only words that are common in one of the
languages here and in none of the others count, so a short text, a text in a language that is not
here, and a text that mixes two stay without a guess.
"""

from __future__ import annotations

import re
from collections import Counter

_COMMON = {
    "English": "the of and to is that it with as are this be by or which from whether what has how"
    " does would your you should following each its text word sentence",
    "German": "der das und ist nicht ein eine einen dem den von zu mit auf ob oder wie sich auch"
    " wird welche welches im für dieser dieses sie gib aus satz wort",
    "French": "le les et est une des du dans pour que qui ou sur pas avec ce cette il elle vous"
    " quelle quel votre aux phrase mot ci",
    "Spanish": "el los las y es una del que por si para con esta este cuál cómo su son está oración"
    " palabra siguiente texto frase según",
    "Italian": "il gli è una della del che di per se con questa questo quale sono nel nella alla"
    " frase parola seguente testo ed",
    "Portuguese": "o os as é uma da do que para se com esta este qual são não em no na ou frase"
    " palavra seguinte texto à",
    "Dutch": "het een van en is niet dat met voor op of welke dit deze zijn wordt aan bij naar zin"
    " woord tekst geef jij",
}
_LEAST = 3
"""Words that a guess needs."""
_LEAD = 2
"""How many times as many as of the second-best language."""


def _of_one_language() -> dict[str, str]:
    languages = {name: set(words.split()) for name, words in _COMMON.items()}
    n = Counter(word for words in languages.values() for word in words)
    return {word: name for name, words in languages.items() for word in words if n[word] == 1}


_TELLING = _of_one_language()


def other_language(text: str, original: str) -> list[str]:
    """Says so where the guesses about two texts differ; nothing where there is no sure one."""
    # Of the original a single word will do: it is only told apart from a sure guess.
    own, other = guess(original, 1), guess(text)
    if own is None or other is None or own == other:
        return []
    return [f"reads like {other}, the original like {own}: a guess by common words"]


def guess(text: str, least: int = _LEAST) -> str | None:
    """The language whose own words are commonest; None where no language leads clearly.

    Args:
        text: The text.
        least: Words of that language that it needs.
    """
    counts = Counter(_TELLING[w] for w in re.findall(r"\w+", text.casefold()) if w in _TELLING)
    first, second = [*counts.most_common(2), ("", 0), ("", 0)][:2]
    return first[0] if first[1] >= max(least, _LEAD * second[1]) else None
