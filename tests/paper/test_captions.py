"""Captions in sentences: all facts, each once, no number that was not given."""

import re

import pytest

from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.methods import find_method
from sapo_analysis.paper import citations
from sapo_analysis.paper.captions import counts, draft, draft_latex, standing
from sapo_analysis.paper.figures import figure
from sapo_analysis.paper.latex import escaped
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.spec import METHODS
from sapo_analysis.store import open_run
from tests.synthetic import write_run

FULL = Caption(
    "Pre-update loss against forgetting, a point per prompt",
    {"tasks": 11, "prompts": 13, "seeds": 3},
    ("Within tasks, r = +0.57 (95 % for new tasks: +0.20 to +0.80).", "Permutation p = 0.012"),
    "95 % Student t over tasks",
    ("star: SAPO's pick", "grey band: noise of the seed"),
    ("pre_update_loss", "bwt"),
)


def test_all_facts_in_order():
    assert draft(FULL) == (
        "Pre-update loss against forgetting, a point per prompt. Star: SAPO's pick. Grey band:"
        " noise of the seed. Within tasks, r = +0.57 (95 % for new tasks: +0.20 to +0.80)."
        " Permutation p = 0.012. Intervals: 95 % Student t over tasks. n = 11 tasks × 13 prompts ×"
        " 3 seeds. Pre-update loss (nats per token): loss on the task's training examples under a"
        " prompt, before any update. BWT (points, higher is better): backward transfer, averaged"
        " over stages as released."
    )


def test_what_is_not_there_is_not_spoken_of():
    assert draft(Caption("Training loss by step.")) == "Training loss by step."


def test_a_fact_given_twice_is_said_once():
    caption = Caption("Shows.", statistics=("r = 1", "r = 1."), marks=("shows",))
    assert draft(caption) == "Shows. r = 1."


@pytest.mark.parametrize(
    ("n", "said"),
    [
        ({"tasks": 1, "prompts": 2, "seeds": 1}, "n = 1 task × 2 prompts × 1 seed"),
        ({"strategies": 1, "orders": 5}, "n = 1 strategy × 5 orders"),
        ({"points": 100_000, "tasks": 2}, "n = 100,000 points, 2 tasks"),
        ({"runs": 3}, "n = 3 runs"),
    ],
)
def test_only_factors_of_a_design_multiply(n, said):
    assert counts(n) == said


def test_names_and_symbols_keep_their_small_letters():
    caption = Caption("pocket-1 forgets.", statistics=("r = 0.1", "p below 0.1", "pre-update loss"))
    assert draft(caption) == "pocket-1 forgets. r = 0.1. p below 0.1. Pre-update loss."


def test_brackets_of_a_label_and_of_its_unit_are_one_pair():
    assert "Strength (95 %; −1 to 1, higher is better): r with" in draft(
        Caption("Shows.", terms=("strength",))
    )


def test_terms_that_are_defined_alike_share_a_definition():
    said = draft(
        Caption("Shows.", terms=("claim_3_forgetting_past", "claim_3_forgetting_retained"))
    )
    assert "Loss → forgetting (past) and Loss → forgetting (retained; −1 to 1): corr" in said
    assert said.count("The claim predicts r above 0") == 1


def test_a_term_that_the_glossary_does_not_have_is_refused():
    with pytest.raises(InputError, match="Unknown term 'nonsense'"):
        draft(Caption("Shows.", terms=("nonsense",)))


def test_model_and_methods_are_named(study_numbers, sequence_numbers):
    model = study_numbers.runs[0].study.model
    assert draft(Caption("Shows."), study_numbers) == f"Shows. Model {model}; method LoRA."
    assert draft(Caption("Shows."), sequence_numbers).endswith(
        "; methods LoRA, O-LoRA; policies original, random, sapo, paft."
    )
    assert draft(Caption("Shows."), sequence_numbers, "o-lora").endswith(
        "; method O-LoRA; policy original."
    )


def test_a_figure_of_one_strategy_names_no_other(sequence_numbers):
    said = draft(figure("choices_along", sequence_numbers).caption, sequence_numbers)
    assert said.endswith("; method LoRA; policy sapo.")


def test_random_weights_and_unfinished_runs_are_said_first(tmp_path):
    random = open_run(write_run(tmp_path, weights="random", name="random"))
    said = draft(Caption("Shows."), numbers_of([random]))
    assert said.startswith("Random weights: no scientific meaning. Shows.")
    half = open_run(write_run(tmp_path, finish=False, name="half"))
    done, total = half.status.done, half.status.total
    assert 0 < done < total
    said = draft(Caption("Shows."), numbers_of([half]))
    assert said.startswith(f"Unfinished: {done} of {total} trials. Shows.")


def test_a_finished_trained_run_has_nothing_to_say_first(study_run):
    assert standing([study_run]) == ()


def test_latex_is_escaped_and_cites():
    said = draft_latex(FULL, ("student1908", "phipson2010", "sapo_analysis"))
    assert r"95 \% Student $t$~\cite{student1908} over tasks" in said
    assert r"Permutation~\cite{phipson2010} $p$ = 0.012" in said
    assert r"11 tasks $\times$ 13 prompts" in said
    assert "sapo_analysis" not in said and " % " not in said


NUMBER = re.compile(r"[+\N{MINUS SIGN}]?\d[\d,]*(?:\.\d+)?")


def numbers_in(text):
    return set(NUMBER.findall(text))


@pytest.mark.parametrize("which", ["study", "sequence"])
def test_captions_of_all_figures_and_tables_are_sentences(which, all_made, request):
    """And hold no number beyond those of their facts, the glossary's and the model's name."""
    numbers = request.getfixturevalue(f"{which}_numbers")
    for one in all_made[which]:
        caption = one.spec.caption
        assert isinstance(caption, Caption), one.name
        said = draft(caption, numbers)
        assert said.endswith("."), one.name
        for ugly in ("..", "  ", "nan", "None", " .", "()", "( ", ";."):
            assert ugly not in said.replace(" …", ""), (one.name, ugly, said)
        sentences = [x for x in re.split(r"(?<=[.])\s", said) if len(x) > 50]
        assert len(sentences) == len(set(sentences)), one.name
        alone = draft(Caption("", terms=caption.terms), numbers)
        given = " ".join(
            (caption.shows, *caption.statistics, caption.interval, *caption.explained, alone)
        )
        counted = {f"{count:,}" for count in caption.n.values()}
        assert numbers_in(said) <= numbers_in(given) | counted, one.name


def test_every_method_has_a_name_in_words_and_its_citations():
    assert set(METHOD_WORDS) == set(METHODS)
    assert len(set(METHOD_WORDS.values())) == len(METHOD_WORDS)
    for method in METHODS:
        keys = find_method(method).facts.cites
        named = citations.with_citations(escaped(f"method {METHOD_WORDS[method]}."), keys)
        assert "cite" in named or not set(keys) - {"hu2022lora"}, method
