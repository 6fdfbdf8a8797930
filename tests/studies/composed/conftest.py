"""Fine-tunes by a recipe on the shipped model, in float64 so that equal means equal."""

import pytest
import torch

from sapo_analysis.learning.members import Dev, Member
from sapo_analysis.methods import make_method
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.loading import choose_device, load_model
from sapo_analysis.plan import make_plan
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.studies.composed import Begun, composed
from sapo_analysis.studies.engines import make_engine
from tests.norm64 import in_float64


def study_of(**changes):
    settings = {
        "current": ["sentiment", "colour"],
        "unseen": ["rate"],
        "prompts": 1,
        "training": {"examples": 24, "batch_size": 3, "steps": 2},
        "soft_prompt": {"virtual_tokens": 5},
        "promot": {"steps": 3, "select_every": 1, "dev_examples": 3},
        "scoring": {"examples": 8},
        "evaluation": {"examples": 6, "batch_size": 4},
        "device": "cpu",
    }
    return ParaphraseStudy.model_validate({**settings, **changes})


class Bench:
    """A base model, and fine-tunes of it by a method."""

    def __init__(self, base):
        self.base = base

    def engine(self, name, **changes):
        plan = make_plan(study_of(**changes), name)
        engine = make_engine(plan, choose_device("cpu"), self.base)
        engine.plan = plan
        return engine

    def member(self, engine, task, seed, method):
        plan, shots = engine.plan, method.demonstrations
        data, prompt = plan.tasks[task], plan.originals[task]
        rows = engine.encoder.encode_split(data, "train", 24, prompt, shots)
        dev = engine.encoder.encode_split(data, "dev", 3, prompt, shots)
        recipe = method.recipe(0)
        judged = any(phase.select_every for phase in recipe.phases)
        own = Dev(data, data.examples("dev")[:3], dev) if judged else None
        return Member(rows, method.training(0), seed, dev=own)

    def tuned(self, engine, method_name, tasks_and_seeds, recipe=None, starts=None):
        """A block with fine-tunes, each begun."""
        method = make_method(method_name, engine.study)
        starts = starts or [AdapterStart(seed) for _, seed in tasks_and_seeds]
        begun = [
            Begun(start, engine.plan.tasks[task], engine.plan.originals[task].text)
            for start, (task, _) in zip(starts, tasks_and_seeds, strict=True)
        ]
        recipe = recipe or method.recipe(0)
        members = [self.member(engine, task, seed, method) for task, seed in tasks_and_seeds]
        return composed(engine, self.base, recipe, begun), members

    def test_rows(self, engine, task, n=4):
        data = engine.plan.tasks[task]
        rows = engine.encoder.encode_split(data, "test", n, engine.plan.originals[task])
        return data, data.examples("test", n), rows


@pytest.fixture(scope="session")
def bench():
    plan = make_plan(study_of(), "plain")
    model = load_model(plan.model, choose_device("cpu"), "float32")
    return Bench(in_float64(model))


def snapshot(model):
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def assert_same(model, before):
    after = dict(model.named_parameters())
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
