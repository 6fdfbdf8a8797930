"""Fine-tunes of MetaTuner (small) on the shipped model, in float64 so that equal means equal."""

from contextlib import contextmanager

import pytest
import torch

from sapo_analysis.learning.members import Member
from sapo_analysis.methods import make_method
from sapo_analysis.models.loading import choose_device
from sapo_analysis.plan import make_plan
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.studies.engines import make_engine
from sapo_analysis.studies.metatuner.of_study import MetaTuners
from sapo_analysis.studies.meter import Meter

TASK = "sentiment"


def study_of(method="metatuner", **changes):
    settings = {
        "method": method,
        "current": [TASK],
        "unseen": ["rate"],
        "prompts": 2,
        "lora": {"r": 2, "lora_alpha": 4},
        "training": {"examples": 12, "batch_size": 4, "steps": 3},
        "metatuner": {"r": 2, "hidden": 8, "labelled": 8},
        "scoring": {"examples": 8},
        "evaluation": {"examples": 3, "batch_size": 2},
        "device": "cpu",
    }
    return ParaphraseStudy.model_validate({**settings, **changes})


class Bench:
    """A plan, its engine on a model, and fine-tunes of them."""

    def __init__(self, model, encoder, engine="plain", **changes):
        self.study = study_of(**changes)
        self.plan = make_plan(self.study, engine)
        self.model = model
        self.engine = make_engine(self.plan, choose_device("cpu"), model)
        self.engine.encoder = encoder  # has encoded the same texts for other tests
        self.made = make_method(self.study.method, self.study).metatuned()
        self.tuners = MetaTuners(self.engine, self.plan, self.made)
        self.prompts = self.plan.prompts[TASK]

    def rows(self, split, place, task=TASK):
        """A split's rows under the candidate at a place; of another task under its original."""
        n = {"train": self.study.training.examples, "test": self.study.evaluation.examples}[split]
        prompt = self.prompts[place] if task == TASK else self.plan.originals[task]
        return self.engine.encoder.encode_split(self.plan.tasks[task], split, n, prompt)

    def member(self, place, seed=5, **training):
        method = make_method(self.study.method, self.study)
        settings = method.training(0).model_copy(update=training)
        return Member(self.rows("train", place), settings, seed)

    @contextmanager
    def begun(self, place=1, seed=5, **training):
        """A fine-tune whose initial prompt is the candidate at a place, begun."""
        meter = Meter(self.engine.sizes)
        with self.tuners.start(self.model, "state", TASK, seed, meter) as tuned:
            tuned.meter = meter
            tuned.begin([self.member(place, seed, **training)])
            yield tuned


@pytest.fixture(scope="session")
def bench(pocket_model, encoder):
    from tests.norm64 import in_float64

    model = in_float64(pocket_model)

    def make(engine="plain", **changes):
        return Bench(model, encoder, engine, **changes)

    return make


def stir(parts, seed=0):
    """Give all parts values that no start has, so that nothing is zero by chance."""
    draw = torch.Generator().manual_seed(seed)
    for weight in parts.named().values():
        noise = torch.randn(weight.shape, generator=draw, dtype=torch.float64)
        weight.data += 0.1 * noise.to(weight.dtype)
