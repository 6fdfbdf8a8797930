"""A model of the Llama form in float64 throughout."""

import copy

import torch


class Norm64(torch.nn.Module):
    """RMSNorm in the input's own precision: transformers' rounds to float32 in every model."""

    def __init__(self, norm):
        super().__init__()
        self.weight, self.epsilon = norm.weight, norm.variance_epsilon

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon)


def in_float64(model):
    model = copy.deepcopy(model).double()
    for layer in model.model.layers:
        layer.input_layernorm = Norm64(layer.input_layernorm)
        layer.post_attention_layernorm = Norm64(layer.post_attention_layernorm)
    model.model.norm = Norm64(model.model.norm)
    return model
