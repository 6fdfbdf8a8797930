"""Many LoRA adapters on one frozen model at once: row k of a batch belongs to adapter k.

For a frozen linear layer W and adapter k, as in peft: y_k = W x_k + (α / r) B_k A_k drop_k(x_k).
Earlier adapters that are frozen beside adapter k add (α / r) B A x_k each, without dropout, as if
they were merged. The base product serves all adapters in one matrix product, A_k and B_k are
batched ones. Losses are summed over adapters, never averaged, so that each adapter's gradient is
that of its own loss.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from sapo_analysis.errors import InputError
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.adapter_layout import AdapterLayout
from sapo_analysis.models.checkpointing import Again
from sapo_analysis.models.fresh_start import FreshStart, fresh_start
from sapo_analysis.models.saved_adapter import WEIGHTS, read_adapter
from sapo_analysis.spec import LoraSettings

_PEFT_NAME = "base_model.model.{}.lora_{}.weight"


class StackedAdapters:
    """K adapters on a model.

    Attributes:
        layout: of one adapter's weights as one vector.
        values: all weights [K, parameters of one adapter]; the modules' weights are views of it.
        modules: the stacked layers by their name in the model.
        dropout: probability of the adapters' dropout, and its masks while training.
    """

    def __init__(
        self, model: PreTrainedModel, starts: Sequence[FreshStart], settings: LoraSettings
    ):
        first = starts[0]
        shapes = {name: (a.shape, b.shape) for name, (a, b) in first.weights.items()}
        self.layout = AdapterLayout(shapes)
        size = sum(a.numel() + b.numel() for a, b in shapes.values())
        some = next(iter(first.weights.values()))[0]
        self.values = torch.empty(len(starts), size, dtype=some.dtype, device=model.device)
        self.dropout = Dropout(settings.lora_dropout)
        self.modules: dict[str, StackedLinear] = {}
        self._config = first.config
        scale = settings.lora_alpha / settings.r
        at = 0
        for name, pair in shapes.items():
            views = []
            for shape in pair:
                views.append(self._view(at, shape))
                at += shape.numel()
            base = model.get_submodule(name)
            self.modules[name] = StackedLinear(base, views[0], views[1], scale, self.dropout)
        for k, start in enumerate(starts):
            self._fill(k, start.weights)

    def __len__(self) -> int:
        return len(self.values)

    def _view(self, at: int, shape: torch.Size) -> Tensor:
        """A leaf [K, *shape] inside `values`."""
        places = self.values[:, at : at + shape.numel()]
        return places.view(-1, *shape).requires_grad_()

    @property
    def tensors(self) -> list[Tensor]:
        """The modules' weights, leaves that are views of `values`, in its order."""
        return [leaf for module in self.modules.values() for leaf in (module.a, module.b)]

    def gradients(self, loss: Tensor) -> Tensor:
        """Gradient of a scalar by all weights, in the places of `values` [K, parameters]."""
        found = torch.autograd.grad(loss, self.tensors)
        return torch.cat([g.flatten(1) for g in found], dim=1)

    def save(self, k: int, folder: Path) -> None:
        """Write adapter k in peft's format (safetensors and its configuration)."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {}
        for name, module in self.modules.items():
            weights[_PEFT_NAME.format(name, "A")] = module.a[k].detach().contiguous().cpu()
            weights[_PEFT_NAME.format(name, "B")] = module.b[k].detach().contiguous().cpu()
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
        config = copy.deepcopy(self._config)
        config.inference_mode = True
        config.save_pretrained(str(folder))

    def load(self, k: int, folder: Path) -> None:
        """Read adapter k from a folder in peft's format.

        Raises:
            InputError: as `_read`.
        """
        self._fill(k, self._read(folder))

    @torch.no_grad()
    def freeze(self, folders: Sequence[Sequence[Path]]) -> None:
        """Let saved adapters count beside adapter k, those in `folders[k]`, at full scale.

        Raises:
            InputError: as `_read`.
        """
        longest = max(map(len, folders))
        if longest == 0:
            return
        found = [[self._read(folder) for folder in own] for own in folders]
        for name, module in self.modules.items():
            k_all, rank, n_in = module.a.shape
            n_out = module.b.shape[1]
            # Fewer than the most: the rest is zero and adds nothing.
            a = module.a.new_zeros(k_all, longest * rank, n_in)
            b = module.b.new_zeros(k_all, n_out, longest * rank)
            for k, own in enumerate(found):
                for i, weights in enumerate(own):
                    at = slice(i * rank, (i + 1) * rank)
                    a[k, at], b[k, :, at] = weights[name]
            module.frozen = (a, b)

    def _read(self, folder: Path) -> dict[str, tuple[Tensor, Tensor]]:
        """A saved adapter's weights by module.

        Raises:
            InputError: there is none, or it has other modules or another rank than this stack.
        """
        found = read_adapter(folder)
        shapes = {name: (a.shape, b.shape) for name, (a, b) in found.items()}
        if shapes != self.layout.shapes:
            odd = sorted(set(found) ^ set(self.modules))[:1] or ["another rank"]
            raise InputError(
                f"The adapter in {folder} does not fit this stack ({odd[0]})."
                " Load it with the settings it was trained with."
            )
        return found

    @torch.no_grad()
    def _fill(self, k: int, weights: dict[str, tuple[Tensor, Tensor]]) -> None:
        for name, (a, b) in weights.items():
            self.modules[name].a[k].copy_(a)
            self.modules[name].b[k].copy_(b)


@dataclass(frozen=True)
class DropoutStream:
    """Where one adapter's masks of one step come from.

    Attributes:
        seed: of the stream.
        padded: number of places in the adapter's batch as a padded table, examples · longest.
        places: for each packed token of the adapter, its place in that table.
    """

    seed: int
    padded: int
    places: Tensor


class Dropout:
    """Each adapter's own dropout masks on packed rows: peft's, number for number, on a CPU.

    peft draws one mask per module over an adapter's padded batch [examples, longest, size]. Here
    the same mask is drawn from the same stream and its rows are laid out like the packed tokens, so
    that what an adapter drops does not depend on which others are in the stack.
    """

    def __init__(self, probability: float):
        self.probability = probability
        self._streams: list[tuple[torch.Generator, DropoutStream] | None] = []
        self._wanted = torch.empty(0)
        # Drawing a mask takes one core alone, however many there are: adapters draw side by side.
        self._pool = ThreadPoolExecutor(torch.get_num_threads()) if probability else None

    def begin(self, streams: Sequence[DropoutStream | None], wanted: Tensor) -> None:
        """Set the next step's streams; None for an adapter that is not trained in it.

        `wanted` [K, n]: the tokens that a shortened last layer keeps.
        """
        self._streams = [
            None if s is None else (torch.Generator(wanted.device).manual_seed(s.seed), s)
            for s in streams
        ]
        self._wanted = wanted

    def again(self) -> Again:
        """The streams as they are, for layers that are computed again; see `checkpointing`."""
        states = [None if one is None else one[0].get_state() for one in self._streams]
        streams, wanted = self._streams, self._wanted

        @contextmanager
        def again() -> Iterator[None]:
            before = self._streams, self._wanted
            drawn = [None if one is None else one[0].get_state() for one in streams]
            self._streams, self._wanted = streams, wanted
            _set_states(streams, states)
            try:
                yield
            finally:
                _set_states(streams, drawn)
                self._streams, self._wanted = before

        return again

    def end(self) -> None:
        """No dropout from here on."""
        self._streams = []

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()

    def __call__(self, x: Tensor) -> Tensor:
        """Drop from x [K, tokens, size]; the rest is scaled up."""
        if not self._streams or self._pool is None:
            return x
        keep = 1 - self.probability
        drawn = self._pool.map(partial(_draw, keep, x), self._streams)
        mask = torch.zeros_like(x)
        for k, (own, stream) in enumerate(zip(drawn, self._streams, strict=True)):
            if stream is not None and own is not None:
                # A row has more tokens than wanted ones: its last token predicts nothing.
                short = x.shape[1] == self._wanted.shape[1]
                places = stream[1].places
                places = places[self._wanted[k]] if short else places
                torch.index_select(own, 0, places, out=mask[k, : len(places)])
        return x * mask.div_(keep)


def _set_states(
    streams: Sequence[tuple[torch.Generator, DropoutStream] | None],
    states: Sequence[Tensor | None],
) -> None:
    for stream, state in zip(streams, states, strict=True):
        if stream is not None and state is not None:
            stream[0].set_state(state)


def _draw(
    keep: float, x: Tensor, stream: tuple[torch.Generator, DropoutStream] | None
) -> Tensor | None:
    """One adapter's whole mask, ones and zeros [padded places, size], in x's type."""
    if stream is None:
        return None
    generator, at = stream
    mask = torch.empty(at.padded, x.shape[-1], dtype=x.dtype, device=x.device)
    return mask.bernoulli_(keep, generator=generator)


class StackedLinear(nn.Module):
    """A frozen linear layer with K adapters: a [K, r, in], b [K, out, r], scale α / r."""

    def __init__(self, base: nn.Module, a: Tensor, b: Tensor, scale: float, dropout: Dropout):
        super().__init__()
        self.base = base
        self.a, self.b = a, b  # plain tensors: they belong to the stack, not to the model
        self.scale, self._dropout = scale, dropout
        self._is_plain = type(base) in (nn.Linear, Conv1D)  # quantized layers give views
        self.frozen: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Input [K, tokens, in], or its rows flattened, to output of the same form."""
        rows = x.reshape(len(self.a), -1, x.shape[-1])
        y: Tensor = self.base(rows)
        hidden = torch.bmm(self._dropout(rows.to(self.a.dtype)), self.a.mT)
        if y.dtype == self.a.dtype and self._is_plain:
            # In place: `y` is a tensor of its own, which no gradient needs.
            y = y.baddbmm_(hidden, self.b.mT, alpha=self.scale)
        else:
            y = (y + torch.bmm(hidden, self.b.mT) * self.scale).to(y.dtype)
        if self.frozen is not None:
            a, b = self.frozen
            earlier = torch.bmm(torch.bmm(rows.to(a.dtype), a.mT), b.mT) * self.scale
            y = (y + earlier).to(y.dtype)
        return y.view(*x.shape[:-1], -1)


@contextmanager
def stacked_adapters(
    model: PreTrainedModel, settings: LoraSettings, starts: Sequence[AdapterStart | int]
) -> Iterator[StackedAdapters]:
    """K adapters as they start, gone after the block; the model's weights never change.

    Adapter k starts as `started_adapter` with `starts[k]` does, fresh ones with the weights that
    peft draws; a number alone is the seed of a fresh one.

    Raises:
        InputError: a target is no linear layer, or is the head; or a saved adapter does not fit.
    """
    places = [AdapterStart(start) if isinstance(start, int) else start for start in starts]
    with _without_stacks(model):
        fresh = {s: fresh_start(model, settings, s) for s in dict.fromkeys(p.seed for p in places)}
    adapters = StackedAdapters(model, [fresh[place.seed] for place in places], settings)
    for k, place in enumerate(places):
        if place.carried is not None:
            adapters.load(k, place.carried)
    adapters.freeze([place.frozen for place in places])
    for name, module in adapters.modules.items():
        model.set_submodule(name, module)
    try:
        yield adapters
    finally:
        adapters.dropout.close()
        for name, module in adapters.modules.items():
            model.set_submodule(name, module.base)


@contextmanager
def _without_stacks(model: PreTrainedModel) -> Iterator[None]:
    """Inside the block the model has its own layers alone: peft takes no others, and names them."""
    stacked: dict[str, StackedLinear] = {}
    for name, module in model.named_modules():
        # A stack on a stack comes away with the outer one.
        if isinstance(module, StackedLinear) and not name.endswith(".base"):
            stacked[name] = module
    for name, module in stacked.items():
        own: nn.Module = module
        while isinstance(own, StackedLinear):
            own = own.base
        model.set_submodule(name, own)
    try:
        yield
    finally:
        for name, module in stacked.items():
            model.set_submodule(name, module)
