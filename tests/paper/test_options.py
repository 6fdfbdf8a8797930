"""What is asked for by name, and what files are called."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.paper.figures import FIGURES
from sapo_analysis.paper.options import OPTIONS, Options, check_asked, stem, with_asked
from sapo_analysis.paper.tables import TABLES

VARIANTS = [Options(outcome=o, view=v) for o in ("in_task", "") for v in ("centred", "panels")]


def test_what_is_asked_for_stands_in_every_variant_and_doubles_fall_away():
    found = with_asked(VARIANTS, ("outcome", "view"), {"view": "raw"})
    assert found == [Options(outcome="in_task", view="raw"), Options(view="raw")]


def test_what_is_not_obeyed_changes_nothing():
    assert with_asked(VARIANTS, ("outcome",), {"order": "a > b"}) == VARIANTS


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"outcom": "in_task"}, "Did you mean 'outcome'"),
        ({"outcome": "in-task"}, "Did you mean 'in_task'"),
        ({"form": "points"}, "Known: loss, score"),
        ({"view": "panel"}, "Did you mean 'panels'"),
        ({"statistic": "kendall"}, "Known: pearson, spearman"),
        ({"test_prompts": "own"}, "Unknown test prompts 'own'"),
    ],
)
def test_unknown_names_and_values_are_refused(asked, message):
    with pytest.raises(InputError, match=message):
        check_asked(asked)


def test_a_file_is_called_by_what_was_asked_beyond_the_usual():
    uses = ("outcome", "form", "order")
    assert stem("race", uses, Options()) == "race"
    assert stem("race", uses, Options(outcome="in_task", form="loss")) == "race-in_task-loss"
    assert stem("race", uses, Options(order="a > b > c")) == "race-a-b-c"
    assert stem("race", ("form",), Options(outcome="in_task")) == "race"


@pytest.mark.parametrize(
    "task", ["../../up", "/etc/passwd", "..", "a\\b", "情感", "x" * 400, "a.b"]
)
def test_a_task_of_any_name_gives_a_file_name_of_its_own(task):
    found = stem("scatter", ("eval_task",), Options(eval_task=task))
    assert found.startswith("scatter-") and len(found) < 200
    assert not set(found) & set("/\\. ") and found.isascii()
    assert found != stem("scatter", ("eval_task",), Options(eval_task=f"{task}!"))


def test_figures_and_tables_lie_in_one_folder_and_have_names_of_their_own():
    assert not FIGURES.keys() & TABLES.keys()


@pytest.mark.parametrize("kind", [*FIGURES.values(), *TABLES.values()], ids=lambda kind: kind.name)
def test_every_kind_obeys_known_options(kind):
    assert set(kind.uses) <= set(OPTIONS)
