"""A model of any family in float64 throughout."""

import copy

import torch


class Norm64(torch.nn.Module):
    """RMSNorm in the input's own precision: transformers' rounds to float32 in every model."""

    def __init__(self, norm):
        super().__init__()
        self.weight = norm.weight
        self.epsilon = getattr(norm, "variance_epsilon", None) or norm.eps
        self.offset = 1.0 if type(norm).__name__.startswith("Gemma") else 0.0

    def forward(self, x):
        scale = self.offset + self.weight
        return scale * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon)


def in_float64(model):
    model = copy.deepcopy(model).double()
    for name, module in list(model.named_modules()):
        if type(module).__name__.endswith("RMSNorm"):
            model.set_submodule(name, Norm64(module))
    return model
