"""Operations counted by hand."""

from sapo_analysis.studies.meter import Meter, Sizes

BODY, HEAD = 1000, 50


def flops(**work):
    meter = Meter(Sizes(BODY, HEAD))
    meter.add("score", 2, tokens=7, logits=3, **work)
    (row,) = meter.rows("group")
    assert (row["examples"], row["tokens"]) == (2, 7)
    return row["model_flops"]


def test_a_forward_pass_multiplies_and_adds_once_per_parameter_and_token():
    assert flops() == 2 * (BODY * 7 + HEAD * 3)


def test_an_adapter_adds_its_forward_and_two_backward_products_to_a_frozen_model():
    frozen = BODY * 7 + HEAD * 3
    assert flops(n_trained=10) == 2 * frozen + 2 * frozen + (2 + 4) * 10 * 7


def test_gradients_of_the_models_own_weights_cost_one_more_product_each():
    frozen = BODY * 7 + HEAD * 3
    assert flops(n_differentiated=400) == 2 * frozen + 2 * frozen + 2 * 400 * 7


def test_what_is_trained_beside_and_in_the_model_shares_one_backward_pass():
    frozen = BODY * 7 + HEAD * 3
    both = flops(n_trained=10, n_differentiated=400)
    assert both == 2 * frozen + 2 * frozen + (2 + 4) * 10 * 7 + 2 * 400 * 7


def test_what_is_sought_in_the_input_leaves_the_trained_weights_their_own_products_out():
    frozen = BODY * 7 + HEAD * 3
    found = flops(n_trained=10, n_differentiated=400, searched=4)
    through = (2 + 2) * (frozen + 10 * 7)  # forward and back through everything, at all tokens
    assert found == through + 2 * (10 + 400) * 3
