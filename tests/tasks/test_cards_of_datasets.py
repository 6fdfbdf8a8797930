"""What a card may say of a dataset, and the shipped cards by name."""

import pytest
import yaml
from pydantic import ValidationError

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.card import Columns, HubData, read_card, write_card
from sapo_analysis.tasks.shipped_cards import FOLDER, card_names, shipped_card

SPLITS = {"train": "train[100:]", "dev": "train[:100]", "test": "test"}


def test_shipped_cards_are_known_by_name():
    assert len(card_names()) == 8
    assert all(shipped_card(name).name == name for name in card_names())
    with pytest.raises(InputError, match="task card 'boolk'. Did you mean 'boolq'.*sst2"):
        shipped_card("boolk")


def test_a_card_is_written_so_that_it_reads_the_same(tmp_path):
    for name in card_names():
        write_card(tmp_path / "card.yaml", shipped_card(name))
        assert read_card(tmp_path / "card.yaml") == shipped_card(name)


@pytest.mark.parametrize("split", ["train[:10]", "train[10:]", "train[1:2]", "a-b.c", "train[:]"])
def test_a_split_may_be_some_rows_of_one(split):
    assert HubData(hub="a/b", splits=SPLITS | {"dev": split}).splits["dev"] == split


@pytest.mark.parametrize(
    "split", ["train[10]", "train[-5:]", "train[:10%]", "train+test", "", "[1:2]"]
)
def test_other_slices_are_refused(split):
    with pytest.raises(ValidationError, match="string_pattern_mismatch"):
        HubData(hub="a/b", splits=SPLITS | {"dev": split})


def test_rows_to_train_on_are_named_and_a_revision_is_a_commit():
    with pytest.raises(ValidationError, match="splits leaves out train"):
        HubData(hub="a/b", splits={"test": "train"})
    with pytest.raises(ValidationError, match="revision"):
        HubData(hub="a/b", revision="main", splits=SPLITS)
    assert HubData(hub="a/b", splits=SPLITS).revision is None


@pytest.mark.parametrize(
    ("pattern", "said"), [("(", "no regular expression"), ("x", "has 0"), ("(a)(b)", "has 2")]
)
def test_a_pattern_has_one_group(pattern, said):
    with pytest.raises(ValidationError, match=said):
        Columns(input="a", target="b", target_pattern=pattern)


def test_the_last_match_of_a_pattern_is_picked():
    columns = Columns(input="a", target="b", target_pattern=r"####\s*(\S+)")
    assert columns.picked("3 #### 5 is wrong.\n#### 1,234") == "1,234"
    assert columns.picked("no mark") is None
    assert Columns(input="a", target="b").picked(" as it is ") == " as it is "


@pytest.mark.parametrize("notes", [None, 5, "abc", [1]])
def test_notes_are_a_list_of_texts(tmp_path, notes):
    content = yaml.safe_load((FOLDER / "gsm8k.yaml").read_text(encoding="utf-8"))
    (tmp_path / "card.yaml").write_text(yaml.safe_dump({**content, "origin": {"notes": notes}}))
    with pytest.raises(InputError, match=r"origin\.notes is no list of texts"):
        read_card(tmp_path / "card.yaml")


def test_a_card_with_a_wrong_revision_says_what_it_should_be(tmp_path):
    content = yaml.safe_load((FOLDER / "gsm8k.yaml").read_text(encoding="utf-8"))
    content["data"]["revision"] = "main"
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="data: expected rows of a dataset.*40 hexadecimal digits"):
        read_card(tmp_path / "card.yaml")
