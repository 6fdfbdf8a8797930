import unicodedata

import pytest

from sapo_analysis.tasks.scripts import UNSPACED_CHARACTER


@pytest.mark.parametrize(
    "letter", "\u0e01\u0e82\u0f40\u1000\u1780\u3072\u30ab\u4e2d\u3400\uf90a\uff71\U00020000"
)
def test_letters_of_scripts_without_spaces(letter):
    assert UNSPACED_CHARACTER.fullmatch(letter), unicodedata.name(letter)


@pytest.mark.parametrize("letter", "aéжשعह가ა")
def test_letters_of_scripts_with_spaces(letter):
    assert not UNSPACED_CHARACTER.match(letter), unicodedata.name(letter)
