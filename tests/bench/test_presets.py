import pytest

from sapo_analysis.bench.floor import sizes_of
from sapo_analysis.bench.presets import PRESETS, SECTIONS, check_sections, find_preset
from sapo_analysis.bench.workload import random_model, small_preset
from sapo_analysis.errors import InputError
from sapo_analysis.models.loading import choose_device


def test_an_unknown_preset_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match="Unknown preset 'pokket'. Did you mean 'pocket'") as error:
        find_preset("pokket")
    assert all(name in str(error.value) for name in PRESETS)


def test_sections_come_in_order_and_unknown_ones_are_refused():
    assert check_sections([]) == SECTIONS
    assert check_sections(["study", "scoring"]) == ("scoring", "study")
    with pytest.raises(InputError, match="Unknown section 'trainign'. Did you mean 'training'"):
        check_sections(["trainign"])


@pytest.mark.parametrize(("name", "body"), [("tiny", 106_496), ("small", 851_968)])
def test_sizes_are_what_the_titles_say(name, body):
    # Llama: per layer 4 d² of attention and 3 d · ff of the MLP.
    shape = find_preset(name).shape
    assert shape.layers * (4 * shape.hidden**2 + 3 * shape.hidden * shape.intermediate) == body
    assert sizes_of(random_model(shape, choose_device("cpu"))).body == body


@pytest.mark.parametrize("name", [p.name for p in PRESETS.values() if p.shape is not None])
def test_every_architecture_has_a_small_stand_in_for_the_checks(name):
    small = small_preset(find_preset(name))
    model = random_model(small.shape, choose_device("cpu"))
    assert model.config.model_type == find_preset(name).shape.architecture
    assert sizes_of(model).body < 2e5
