"""The indicators that need the model, as a study measures them: which, over what, at what cost."""

import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from sapo_analysis.figures.outcomes import INDICATOR_WORDS
from sapo_analysis.learning.scoring import total_nll
from sapo_analysis.models.loading import choose_device
from sapo_analysis.models.lora import adapted_layers
from sapo_analysis.plan import BASE_STATE, ENGINES, make_plan
from sapo_analysis.records import TABLES
from sapo_analysis.studies import diagnostics, rows
from sapo_analysis.studies.calibrate import calibrate
from sapo_analysis.studies.meter import Meter
from sapo_analysis.studies.paraphrase import ParaphraseWork
from tests.tiny import tiny_study

N = 6
OF_GRADIENT = {"gradient_norm", "loss_after_step"}
ALIGNED = {"gradient_alignment_past", "gradient_alignment_unseen", "gradient_alignment_retained"}
OF_TEXT = {"prompt_perplexity", "prompt_similarity"}


def work_of(study, name, folder):
    plan = make_plan(study, name)
    work = ParaphraseWork(plan, choose_device("cpu"), folder)
    work.check()
    return work


def score(work):
    """Learn the past and score; the rows of all score groups by group."""
    for group in work.plan.groups:
        if group.kind == "stage":
            work.run(group)
    return {g.group_id: work.run(g) for g in work.plan.groups if g.kind == "score"}


def with_rows(study, n, **changes):
    scoring = study.scoring.model_copy(update={"diagnostics": n})
    return study.model_copy(update={"scoring": scoring, **changes})


def values(found):
    return {
        (row["state_id"], row["task"], row["prompt_id"], row["name"]): row["value"]
        for tables in found.values()
        for row in tables["indicators"]
    }


@pytest.fixture(scope="module")
def study():
    return with_rows(tiny_study(), N, seeds=(0,), noise_seeds=())


@pytest.fixture(scope="module")
def scored(study, tmp_path_factory):
    """Both engines after scoring at a state with two tasks learned."""
    found = {}
    for name in ENGINES:
        work = work_of(study, name, tmp_path_factory.mktemp(name))
        found[name] = SimpleNamespace(work=work, tables=score(work))
    return found


@pytest.fixture
def unlearned(study, tmp_path):
    """An engine at θ_0, two current tasks and no other."""
    return work_of(with_rows(study, N, past=(), retained=()), "stacked", tmp_path)


def test_every_candidate_has_every_indicator_once(scored):
    stacked = scored["stacked"]
    found = [row for tables in stacked.tables.values() for row in tables["indicators"]]
    keys = TABLES["indicators"].keys
    assert len({tuple(row[key] for key in keys) for row in found}) == len(found)
    for name in OF_GRADIENT | ALIGNED | OF_TEXT:
        of_name = [row for row in found if row["name"] == name]
        assert len(of_name) == 2 * 3  # current tasks, prompts
        assert {row["n_examples"] for row in of_name} == {0 if name in OF_TEXT else N}
        assert len({row["value"] for row in of_name}) > 2
        assert all(math.isfinite(row["value"]) and row["unit"] for row in of_name)


def test_every_indicator_has_a_name_for_an_axis(scored):
    names = {key[3] for key in values(scored["stacked"].tables)}
    assert names <= INDICATOR_WORDS.keys() and len(names) > 12


def test_both_engines_measure_the_same(scored):
    stacked, plain = (values(scored[name].tables) for name in ENGINES)
    assert stacked.keys() == plain.keys() and len(stacked) > 60
    for key, value in plain.items():
        assert stacked[key] == pytest.approx(value, rel=1e-3, abs=2e-5), key


def autograd(work, state_id, task, split, prompt, n=N):
    """A gradient from one padded batch, by autograd over all parameters of the model."""
    model = work.states.at(state_id)
    names = [f"{name}.weight" for name in adapted_layers(model, work.plan.study.lora)]
    rows = work.encoder.encode_split(work.plan.tasks[task], split, n, prompt)
    model.requires_grad_(True)
    loss = total_nll(model, rows, work.encoder.pad_id) / sum(r.n_target for r in rows)
    weights = dict(model.named_parameters())
    parts = torch.autograd.grad(loss, [weights[name] for name in names])
    model.requires_grad_(False)
    flat = torch.cat([part.double().flatten() for part in parts])
    return SimpleNamespace(named=dict(zip(names, parts, strict=True)), flat=flat, rows=rows)


@pytest.fixture(scope="module")
def by_hand(scored):
    work = scored["plain"].work
    (state_id,) = {g.state_id for g in work.plan.groups if g.kind == "score"}
    return SimpleNamespace(
        work=work,
        state_id=state_id,
        model=work.states.at(state_id),
        gradient=partial(autograd, work, state_id),
    )


def test_alignment_is_the_mean_cosine_with_each_roles_tasks_under_their_original_prompts(
    scored, by_hand
):
    found = values(scored["stacked"].tables)
    work = by_hand.work
    roles = {
        "past": ["translate", "topic"],
        "retained": ["first_word"],
        "unseen": ["place"],  # another current task
    }
    for prompt in work.plan.prompts["sentiment"]:
        own = by_hand.gradient("sentiment", "train", prompt).flat
        key = (by_hand.state_id, "sentiment", prompt.prompt_id)
        assert found[*key, "gradient_norm"] == pytest.approx(own.norm().item(), rel=1e-4)
        for role, tasks in roles.items():
            others = [by_hand.gradient(t, "dev", work.original(t)).flat for t in tasks]
            cosines = [torch.cosine_similarity(own, other, dim=0).item() for other in others]
            expected = sum(cosines) / len(cosines)
            name = f"gradient_alignment_{role}"
            assert found[*key, name] == pytest.approx(expected, abs=1e-4)


def test_loss_after_step_is_the_loss_one_thousandth_of_the_weights_norm_downhill(scored, by_hand):
    found = values(scored["stacked"].tables)
    prompt = by_hand.work.plan.prompts["place"][1]
    own = by_hand.gradient("place", "train", prompt)
    named = dict(by_hand.model.named_parameters())
    size = torch.cat([named[name].double().flatten() for name in own.named]).norm()
    kept = {name: named[name].clone() for name in own.named}
    try:
        with torch.no_grad():
            for name, part in own.named.items():
                named[name] -= (1e-3 * size / own.flat.norm()).float() * part
            nll = total_nll(by_hand.model, own.rows, by_hand.work.encoder.pad_id)
    finally:
        with torch.no_grad():
            for name, weight in kept.items():
                named[name].copy_(weight)
    expected = nll.item() / sum(row.n_target for row in own.rows)
    key = (by_hand.state_id, "place", prompt.prompt_id)
    assert found[*key, "loss_after_step"] == pytest.approx(expected, rel=1e-4)


def test_perplexity_and_similarity_of_a_prompts_own_words(scored, by_hand):
    found = values(scored["stacked"].tables)
    work, model, tokenizer = by_hand.work, by_hand.model, by_hand.work.encoder.tokenizer

    def read(prompt):
        """nll of each token of the text by itself, and their mean hidden state."""
        ids = tokenizer(f"<|user|>{prompt.text}", add_special_tokens=False)["input_ids"]
        nats = []
        for t in range(1, len(ids)):
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids[:t]])).logits[0, -1].double()
            nats.append(-logits.log_softmax(-1)[ids[t]].item())
        with torch.no_grad():
            hidden = model.model(input_ids=torch.tensor([ids])).last_hidden_state[0, 1:]
        return math.exp(sum(nats) / len(nats)), hidden.mean(dim=0)

    learned = [read(work.original(task))[1] for task in ("translate", "topic")]
    for prompt in work.plan.prompts["place"]:
        perplexity, own = read(prompt)
        key = (by_hand.state_id, "place", prompt.prompt_id)
        assert found[*key, "prompt_perplexity"] == pytest.approx(perplexity, rel=1e-4)
        cosines = [torch.cosine_similarity(own, other, dim=0).item() for other in learned]
        assert found[*key, "prompt_similarity"] == pytest.approx(max(cosines), abs=1e-5)


def test_a_state_is_the_same_after_scoring(scored, study, tmp_path):
    work = scored["stacked"].work
    (state_id,) = {g.state_id for g in work.plan.groups if g.kind == "score"}
    after = work.states.at(state_id)
    again = ParaphraseWork(work.plan, work.engine.device, work.states.folder(state_id).parent)
    before = again.states.at(state_id).state_dict()
    assert all(torch.equal(own, before[name]) for name, own in after.state_dict().items())
    assert not any(p.requires_grad for p in after.parameters()) and not after.training


def test_where_nothing_was_learned_there_is_nothing_to_align_or_compare_with(unlearned):
    names = {key[3] for key in values(score(unlearned))}
    assert names >= OF_GRADIENT | {"gradient_alignment_unseen", "prompt_perplexity"}
    missing = {"gradient_alignment_past", "gradient_alignment_retained", "prompt_similarity"}
    assert not names & missing


def test_references_are_made_once_per_state(unlearned, monkeypatch):
    calls = []
    original = diagnostics.loss_gradient

    def counted(model, layers, nll, rows, size):
        calls.append(len(rows))
        return original(model, layers, nll, rows, size)

    monkeypatch.setattr(diagnostics, "loss_gradient", counted)
    score(unlearned)
    assert calls == [N] * (2 * 3 + 2)  # candidates, and each current task as the other's reference
    prompt = unlearned.original("place")
    unlearned.diagnostics.measure(BASE_STATE, "place", prompt, Meter(unlearned.engine.sizes))
    assert len(calls) == 2 * 3 + 3


def test_references_of_one_state_are_not_used_at_another(scored):
    work = scored["stacked"].work
    (state_id,) = {g.state_id for g in work.plan.groups if g.kind == "score"}
    prompt, meter = work.original("place"), Meter(work.engine.sizes)
    at_base, at_state, again = (
        {x.name: x.value for x in work.diagnostics.measure(at, "place", prompt, meter)}
        for at in (BASE_STATE, state_id, BASE_STATE)
    )
    assert at_base == again
    name = "gradient_alignment_retained"
    key = (state_id, "place", prompt.prompt_id, name)
    assert at_state[name] == values(scored["stacked"].tables)[key]
    own, other = (
        autograd(work, BASE_STATE, task, split, work.original(task)).flat
        for task, split in (("place", "train"), ("first_word", "dev"))
    )
    expected = torch.cosine_similarity(own, other, dim=0).item()
    assert at_base[name] == pytest.approx(expected, abs=1e-4)
    assert at_state[name] != pytest.approx(expected, abs=1e-3)
    assert not {"gradient_alignment_past", "prompt_similarity"} & at_base.keys()


def test_test_rows_are_never_read(unlearned, monkeypatch):
    encoder = type(unlearned.encoder)
    original, splits = encoder.encode_split, []

    def recorded(self, task, split, n, prompt):
        splits.append((task.name, split, n))
        return original(self, task, split, n, prompt)

    monkeypatch.setattr(encoder, "encode_split", recorded)
    prompt = unlearned.original("place")
    unlearned.diagnostics.measure(BASE_STATE, "place", prompt, Meter(unlearned.engine.sizes))
    scored_rows = unlearned.plan.study.scoring.examples
    assert set(splits) == {("place", "train", scored_rows), ("sentiment", "dev", N)}


def test_more_rows_than_are_scored_are_the_first_training_rows(study, tmp_path):
    n = study.scoring.examples + 3
    work = work_of(with_rows(study, n, past=()), "plain", tmp_path)
    prompt = work.original("place")
    found = work.diagnostics.measure(BASE_STATE, "place", prompt, Meter(work.engine.sizes))
    expected = autograd(work, BASE_STATE, "place", "train", prompt, n).flat.norm().item()
    assert found[0].value == pytest.approx(expected, rel=1e-4)
    assert {x.n_examples for x in found} == {n, 0}


def test_a_zero_gradient_has_a_norm_and_no_direction(unlearned, monkeypatch):
    original = unlearned.engine.nll
    monkeypatch.setattr(unlearned.engine, "nll", lambda model, rows: 0 * original(model, rows))
    found = unlearned.diagnostics.measure(
        BASE_STATE, "place", unlearned.original("place"), Meter(unlearned.engine.sizes)
    )
    assert {x.name: x.value for x in found}["gradient_norm"] == 0
    assert {x.name for x in found} == {"gradient_norm", "prompt_perplexity"}


def test_a_task_without_a_gradient_is_left_out_of_its_roles_mean(unlearned, monkeypatch):
    original = unlearned.engine.nll
    dev = {
        tuple(row.ids)
        for row in unlearned.encoder.encode_split(
            unlearned.plan.tasks["sentiment"], "dev", N, unlearned.original("sentiment")
        )
    }
    monkeypatch.setattr(
        unlearned.engine,
        "nll",
        lambda model, rows: original(model, rows) * (tuple(rows[0].ids) not in dev),
    )
    found = unlearned.diagnostics.measure(
        BASE_STATE, "place", unlearned.original("place"), Meter(unlearned.engine.sizes)
    )
    assert {x.name for x in found} == OF_GRADIENT | {"prompt_perplexity"}


@pytest.mark.parametrize("name", ENGINES)
def test_the_forecast_counts_what_is_then_read(scored, name):
    work, tables = scored[name].work, scored[name].tables
    costs = [c for t in tables.values() for c in t["costs"] if c["phase"] == "score"]
    plain = sum(
        work.engine.reading(work.scoring_rows(task, prompt))[0]
        for task, prompts in work.plan.prompts.items()
        for prompt in prompts
    )
    forecast = work.diagnostics.forecast()
    assert (
        forecast.examples
        == sum(c["examples"] for c in costs) - 6 * work.plan.study.scoring.examples
    )
    assert forecast.tokens == sum(c["tokens"] for c in costs) - plain
    assert forecast.with_gradient == N * (6 + 5)


def test_a_dry_run_counts_and_times_the_gradients(study):
    small = with_rows(study, N, past=(), current=("sentiment",))
    with_it, without = (calibrate(with_rows(small, n), "stacked") for n in (N, 0))
    assert without["gradient_examples"] == 0
    assert with_it["gradient_examples"] == N * (3 + 1)
    assert with_it["scored_examples"] - without["scored_examples"] == N * (3 + 1) + N * 3 + 3
    assert with_it["scored_tokens"] > without["scored_tokens"]


def test_without_rows_nothing_is_added(study, tmp_path):
    work = work_of(with_rows(study, 0, past=()), "stacked", tmp_path)
    assert work.diagnostics is None
    names = {key[3] for key in values(score(work))}
    assert not names & (OF_GRADIENT | ALIGNED | OF_TEXT)
    assert {row["split"] for row in rows.examples(work.plan)} == {"train", "test"}


def test_the_rows_that_are_read_are_kept_with_the_run(scored, study):
    plan = scored["stacked"].work.plan
    found = rows.examples(plan)
    for task in plan.tasks:
        dev = [row for row in found if (row["task"], row["split"]) == (task, "dev")]
        kept = [(row["example"], row["input"], row["target"]) for row in dev]
        examples = plan.tasks[task].examples("dev", N)
        assert kept == [(i, x.input, x.target) for i, x in enumerate(examples)]


def test_the_engine_refuses_early_what_the_indicators_cannot_read(study, tmp_path, monkeypatch):
    from sapo_analysis.errors import InputError

    plan = make_plan(with_rows(study, N, past=()), "stacked")
    work = ParaphraseWork(plan, choose_device("cpu"), tmp_path)
    template = "{% for m in messages %}{{ m['content'] | reverse if m['role'] == 'user' else"
    work.encoder.tokenizer.chat_template = template + " m['content'] }}{% endfor %}"
    with pytest.raises(InputError, match=r"cannot be told apart.*scoring\.diagnostics"):
        work.check()
