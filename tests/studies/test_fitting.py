"""Long inputs: refused, cut or dropped by the input alone, for all prompts alike."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sapo_analysis.analysis.report import report
from sapo_analysis.analysis.sequences.report import sequence_report
from sapo_analysis.errors import InputError
from sapo_analysis.model_files import find_model
from sapo_analysis.models.encoding import Encoder, count_tokens
from sapo_analysis.models.loading import choose_device, load_tokenizer
from sapo_analysis.models.too_long import Reading
from sapo_analysis.plan import make_plan, make_sequence_plan
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import InputSettings, ParaphraseStudy
from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies import fitting, rows
from sapo_analysis.studies.calibrate import calibrate
from sapo_analysis.studies.fitting import cut, fit_rows, fitted
from sapo_analysis.studies.paraphrase import ParaphraseWork
from sapo_analysis.studies.readings import readings
from sapo_analysis.studies.runner import run_to_end
from sapo_analysis.studies.sequence import SequenceWork
from sapo_analysis.studies.tokenised import exact_prompt
from sapo_analysis.tasks import Example, get_task
from tests.models.tokenizers_of_families import FAMILIES, tokenizer_of
from tests.tiny import tiny_study
from tests.tiny_sequence import tiny_sequence

LIMIT = 10
SENTIMENT = get_task("sentiment")


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(find_model("pocket"))


def small(**changes):
    study = tiny_study()
    return study.model_copy(update={"past": ("topic",), "current": ("sentiment",), **changes})


def limited(study, too_long, limit=LIMIT):
    inputs = InputSettings(max_tokens=limit, too_long=too_long)
    return study.model_copy(update={"inputs": inputs})


def lengths(tokenizer, examples):
    return count_tokens(tokenizer, [example.input for example in examples])


def test_without_a_limit_nothing_is_looked_at():
    plan = make_plan(small())
    assert fitted(plan) == (plan, None)


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(make_plan(limited(small(), "cut")), id="paraphrase"),
        pytest.param(make_sequence_plan(limited(tiny_sequence(), "cut")), id="sequence"),
    ],
)
def test_cut_inputs_are_beginnings_that_fit_and_all_else_is_as_it_was(tokenizer, plan):
    cut_plan, report = fitted(plan)
    told = report.pop("tasks")
    assert report == {"max_tokens": LIMIT, "too_long": "cut"}
    assert cut_plan.groups == plan.groups and cut_plan.originals == plan.originals
    n_long = 0
    for name, task in plan.tasks.items():
        for split in ("train", "test"):
            after = cut_plan.tasks[name].examples(split)
            before = task.examples(split, len(after))
            assert [row.target for row in after] == [row.target for row in before]
            long = [i for i, n in enumerate(lengths(tokenizer, before)) if n > LIMIT]
            for i, (own, was) in enumerate(zip(after, before, strict=True)):
                if i in long:
                    assert was.input.startswith(own.input) and own.input != was.input
                else:
                    assert own == was
            assert max(lengths(tokenizer, after), default=0) <= LIMIT
            expected = {"n": len(long), "rows": long[:20]} if long else None
            assert told.get(name, {}).get(split) == expected
            n_long += len(long)
    assert n_long > 0


def test_dropped_examples_are_replaced_by_the_next_ones(tokenizer):
    plan = make_plan(limited(small(), "drop"))
    found, report = fitted(plan)
    n = rows.reads(plan)["sentiment"]["train"]
    all_rows = SENTIMENT.examples("train")
    fits = [i for i, length in enumerate(lengths(tokenizer, all_rows)) if length <= LIMIT][:n]
    assert found.tasks["sentiment"].examples("train", n) == [all_rows[i] for i in fits]
    gone = [i for i in range(fits[-1]) if i not in fits]
    assert gone and report["tasks"]["sentiment"]["train"] == {"n": len(gone), "rows": gone[:20]}
    table = [row for row in rows.examples(found) if row["task"] == "sentiment"]
    assert [row["input"] for row in table if row["split"] == "train"] == [
        all_rows[i].input for i in fits
    ]


def test_refused_inputs_are_counted_and_listed_for_every_task_and_split(tokenizer):
    plan = make_plan(limited(small(), "refuse"))
    with pytest.raises(InputError) as caught:
        fitted(plan)
    message = str(caught.value)
    longest = 0
    for name, counts in rows.reads(plan).items():
        for split, n in counts.items():
            own = lengths(tokenizer, plan.tasks[name].examples(split, n))
            long = [i for i, length in enumerate(own) if length > LIMIT]
            if long:
                listed = ", ".join(map(str, long))
                assert f"task {name!r}, {split}: {len(long)} of {n} (rows {listed};" in message
                longest = max(longest, *own)
    assert f"Raise inputs.max_tokens to {longest}, or set inputs.too_long" in message
    fitted(make_plan(limited(small(), "refuse", longest)))


def test_a_fine_tune_is_watched_on_the_dev_examples_that_are_left(tokenizer):
    evaluation = small().evaluation.model_copy(update={"examples": 150, "checkpoints": (1,)})
    plan = make_plan(limited(small(evaluation=evaluation), "drop"))
    fits = [n for n in lengths(tokenizer, SENTIMENT.examples("dev")) if n <= LIMIT]
    assert 0 < len(fits) < 150 == len(rows.dev_examples(plan, "sentiment"))
    found, _ = fitted(plan)
    assert len(rows.dev_examples(found, "sentiment")) == len(fits)
    diagnosed = plan.study.scoring.model_copy(update={"diagnostics": len(fits) + 1})
    with pytest.raises(InputError, match=rf"dev examples whose .* reads {len(fits) + 1}\."):
        fitted(make_plan(plan.study.model_copy(update={"scoring": diagnosed})))


def task_of(inputs):
    examples = [Example(text, "positive") for text in inputs]
    return replace(SENTIMENT, load=lambda split: examples)


def test_only_rows_that_are_read_count(tokenizer):
    task = task_of(["a b", "c d", "long " * 50])
    settings = InputSettings(max_tokens=LIMIT, too_long="refuse")
    assert fit_rows(tokenizer, settings, task, "train", 2, 2).too_long == []
    assert fit_rows(tokenizer, settings, task, "train", 3, 3).too_long == [2]
    assert fit_rows(tokenizer, settings, task, "train", 0, 0).examples == []


def test_too_few_examples_left_are_an_error_that_says_how_many(tokenizer):
    task = task_of(["long " * 50, "a", "long " * 50, "b"])
    settings = InputSettings(max_tokens=LIMIT, too_long="drop")
    with pytest.raises(InputError, match=r"has 2 train .*; 2 of 4 .* reads 3\. Ask for at most 2"):
        fit_rows(tokenizer, settings, task, "train", 3, 3)
    # What can be spared is no error: a fine-tune is watched on what dev examples there are.
    assert len(fit_rows(tokenizer, settings, task, "dev", 3, 0).examples) == 2


TEXT = "the soup 支持 🙂👩\u200d👧\u200d👦 cafe\u0301 naïve 12345, it's <|im_end|> \n\n lovely"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cut_is_between_tokens_and_never_inside_a_character(family):
    tokenizer = tokenizer_of(family)
    (whole,) = count_tokens(tokenizer, [TEXT])
    assert cut(tokenizer, TEXT, whole) == TEXT
    found = [cut(tokenizer, TEXT, limit) for limit in range(1, whole + 1)]
    for limit, text in enumerate(found, start=1):
        assert TEXT.startswith(text)
        assert count_tokens(tokenizer, [text])[0] <= limit
        rest = TEXT[len(text) :]
        assert not rest.startswith(("\u0301", "\u200d")) and not text.endswith("\u200d")
    assert all(len(b) >= len(a) for a, b in zip(found, found[1:], strict=False))
    assert len(set(found)) > whole / 3


def test_all_rows_that_do_not_fit_a_prompt_are_counted_with_a_limit_that_fits(tokenizer):
    prompts = [Prompt("sentiment", f"own-{k}", "Judge it. " * k, "own") for k in (1, 9, 3)]
    encoder = Encoder(tokenizer, 512)
    sizes = [len(row.ids) for row in encoder.encode_split(SENTIMENT, "train", 30, prompts[1])]
    limit = sorted(sizes)[10]
    long = [i for i, size in enumerate(sizes) if size > limit]
    tight = Encoder(tokenizer, limit)
    with pytest.raises(InputError) as caught:
        tight.encode_all(Reading(SENTIMENT, "train", 30, prompt) for prompt in prompts)
    message = str(caught.value)
    assert f"'own-9' of task 'sentiment' makes {len(long)} of 30 train examples" in message
    assert f"up to {max(sizes)} tokens long (rows {', '.join(map(str, long[:20]))}" in message
    assert f"the model reads at most {limit}" in message and "own-3" not in message
    fits = int(re.search(r"inputs\.max_tokens to (\d+)", message)[1])
    assert fits > 1
    settings = InputSettings(max_tokens=fits, too_long="cut")
    fit = fit_rows(tokenizer, settings, SENTIMENT, "train", 30, 30)
    shorter = replace(SENTIMENT, load=lambda split: fit.examples)
    assert len(tight.encode_split(shorter, "train", 30, prompts[1])) == 30


def test_where_no_input_would_fit_the_prompt_is_to_be_shortened(tokenizer):
    prompt = Prompt("sentiment", "own-1", "Judge it. " * 40, "own")
    with pytest.raises(InputError, match="of 3 train examples .*'own-1' they would be without any"):
        Encoder(tokenizer, 60).encode_split(SENTIMENT, "train", 3, prompt)


def read_with(tokenizer, plan, context):
    """What a study says before it measures, of a model that reads so many tokens."""
    Encoder(tokenizer, context).encode_all(readings(plan))


def with_long_rows(plan):
    """Every second input of every task is many times as long as it was."""

    def longer(task):
        def load(split):
            rows = task.examples(split)
            return [replace(row, input=row.input * (1 + i % 2 * 9)) for i, row in enumerate(rows)]

        return replace(task, load=load)

    return replace(plan, tasks={name: longer(task) for name, task in plan.tasks.items()})


PLANS = [
    pytest.param(make_plan, tiny_study(), id="paraphrase"),
    pytest.param(make_sequence_plan, tiny_sequence(), id="sequence"),
]


@pytest.mark.parametrize(("plan_of", "study"), PLANS)
def test_the_limit_that_a_study_is_told_first_fits_all_it_reads(tokenizer, plan_of, study):
    plan = with_long_rows(plan_of(study))
    own = list(readings(plan))
    (*_, most) = sorted(size.rest for m in Encoder(tokenizer, 1).misfits(own) for size in m.sizes)
    context = most + 12
    with pytest.raises(InputError) as caught:
        read_with(tokenizer, plan, context)
    message = str(caught.value)
    misfits = Encoder(tokenizer, context).misfits(own)
    concerned = {(m.reading.task.name, m.reading.split) for m in misfits}
    assert {name for name, _ in concerned} == set(plan.tasks) and len(concerned) >= 4
    for name, split in concerned:
        n = max(
            len(m.rows) for m in misfits if (m.reading.task.name, m.reading.split) == (name, split)
        )
        assert len(re.findall(rf"of task '{name}' makes {n} of \d+ {split} examples", message)) == 1
    assert message.count(" makes ") == len(concerned)
    fits = int(re.search(r"inputs\.max_tokens to (\d+) and inputs\.too_long to cut", message)[1])
    assert fits == 12 - 4
    shorter, _ = fitted(with_long_rows(plan_of(limited(study, "cut", fits))))
    read_with(tokenizer, shorter, context)


@pytest.mark.parametrize(("plan_of", "study"), PLANS)
def test_a_study_is_encoded_whole_before_it_measures(tokenizer, plan_of, study, tmp_path):
    plan = plan_of(study)
    work_of = ParaphraseWork if plan_of is make_plan else SequenceWork
    work = work_of(plan, choose_device("cpu"), tmp_path)
    encoder = work.encoder if plan_of is make_plan else work.engine.encoder
    encoder.max_length = 30
    with pytest.raises(InputError) as caught:
        work.check()
    with pytest.raises(InputError) as expected:
        read_with(tokenizer, plan, 30)
    assert str(caught.value) == str(expected.value)


@pytest.mark.parametrize(("limit", "says"), [(4, "can be up to {}"), (60, "max_tokens to {} and")])
def test_a_refusal_names_no_limit_that_the_model_cannot_read(monkeypatch, tokenizer, limit, says):
    monkeypatch.setattr(fitting, "context_length_of", lambda files: 80)
    task = task_of(["a b", "long " * 200, *["c"] * 30])
    plan = make_plan(limited(small(), "refuse", limit))
    plan = replace(plan, tasks={**plan.tasks, "sentiment": task})
    with pytest.raises(InputError) as caught:
        fitted(plan)
    message = str(caught.value)
    assert "Raise" not in message and "reads at most 80 tokens" in message
    room = min(m.room for m in Encoder(tokenizer, 80).misfits(readings(plan)))
    assert 4 < room < 60 and says.format(room) in message


def test_a_limit_is_part_of_what_a_trial_is():
    ids = [
        {trial.trial_id for trial in make_plan(study).trials}
        for study in (small(), limited(small(), "cut"), limited(small(), "drop"))
    ]
    assert not ids[0] & ids[1] and not ids[1] & ids[2]


def test_the_exact_prompt_shows_the_text_that_is_read(tokenizer):
    wanted = {"max_tokens": 3, "too_long": "cut"}
    shown = exact_prompt("pocket", "sentiment", "Judge it.", inputs=wanted)
    whole = exact_prompt("pocket", "sentiment", "Judge it.")
    text = SENTIMENT.examples("train")[0].input
    read = "".join(token["text"] for token in shown["tokens"])
    assert f"Text:\n{cut(tokenizer, text, 3)}<|assistant|>" in read and text not in read
    assert (shown["cut"], whole["cut"]) == (True, False)
    dropped = exact_prompt(
        "pocket", "sentiment", "Judge it.", inputs={"max_tokens": LIMIT, "too_long": "drop"}
    )
    kept = fit_rows(
        tokenizer, InputSettings(max_tokens=LIMIT, too_long="drop"), SENTIMENT, "train", 1, 1
    )
    assert kept.examples[0].input in "".join(token["text"] for token in dropped["tokens"])


BRIEF = {
    "training": {"examples": 24, "batch_size": 4, "steps": 1},
    "scoring": {"examples": 8},
    "evaluation": {"examples": 5},
}


@pytest.mark.parametrize(
    ("study", "engine"),
    [
        pytest.param(
            ParaphraseStudy(
                current=("sentiment",), unseen=("topic",), prompts=1, seeds=(0,), **BRIEF
            ),
            "stacked",
            id="paraphrase",
        ),
        pytest.param(
            tiny_sequence(strategies=["original"], prompts=1, **BRIEF), "plain", id="sequence"
        ),
    ],
)
def test_a_run_reads_what_was_cut_and_says_so(tmp_path, study, engine, tokenizer):
    path = create_run(tmp_path, limited(study.model_copy(update={"device": "cpu"}), "cut"))
    run_to_end(path, engine)
    run = open_run(path)
    assert run.is_complete
    table = run.table("examples")
    assert max(count_tokens(tokenizer, list(table["input"]))) <= LIMIT
    told = run.provenance["inputs"]
    assert (told["max_tokens"], told["too_long"]) == (LIMIT, "cut")
    read = table[(table["task"] == "sentiment") & (table["split"] == "train")]
    own = lengths(tokenizer, SENTIMENT.examples("train", len(read)))
    long = [i for i, n in enumerate(own) if n > LIMIT]
    assert told["tasks"]["sentiment"]["train"] == {"n": len(long), "rows": long[:20]}
    found = report(run, n_permutations=0) if engine == "stacked" else sequence_report(run)
    (said,) = [text for text in found["warnings"] if text.startswith("Inputs of ")]
    assert f"longer than {LIMIT} tokens were cut: " in said
    assert f"sentiment {len(long)} train" in said


def test_a_calibration_refuses_what_a_run_would_refuse():
    with pytest.raises(InputError, match=r"longer than inputs\.max_tokens = 10"):
        calibrate(limited(small(), "refuse"), "stacked")
