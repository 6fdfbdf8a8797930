"""How fine-tunes are scored, trained and measured: what every engine can do, whatever the study."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import ClassVar

from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.evaluation import Evaluation
from sapo_analysis.learning.format_gradient import LayerGradients
from sapo_analysis.learning.mean_loss import MeanLoss
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.learning.selection import Heard, Selection
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.checkpointing import Again, checkpointed
from sapo_analysis.models.encoding import Encoded, Encoder
from sapo_analysis.models.loading import Device, context_length, load_tokenizer
from sapo_analysis.models.stacked_lora import Dropout
from sapo_analysis.plan import AnyPlan, EngineName
from sapo_analysis.studies.fine_tunes import Adapters
from sapo_analysis.studies.meter import model_sizes
from sapo_analysis.tasks.base import Example, Task


class Engine(ABC):
    """Works with one model on one device; `base` is that model as it came."""

    name: ClassVar[EngineName]

    def __init__(self, plan: AnyPlan, device: Device, base: PreTrainedModel):
        self.study = plan.study
        self.device = device
        self.encoder = Encoder(load_tokenizer(plan.model), context_length(base))
        self.sizes = model_sizes(base)

    @abstractmethod
    def check(self, model: PreTrainedModel, rows: Sequence[Encoded]) -> None:
        """Try the model on some rows, the longest among them.

        Raises:
            InputError: this engine cannot work with the model, or with the adapters.
        """

    @abstractmethod
    def losses(self, model: PreTrainedModel, rows: Sequence[Encoded]) -> list[ExampleLoss]:
        """Teacher-forced losses, one per row, in order."""

    @abstractmethod
    def nll(self, model: PreTrainedModel, rows: Sequence[Encoded]) -> Tensor:
        """−log p summed over the target tokens of all rows (nats); gradients can flow."""

    @abstractmethod
    def reading(self, rows: Sequence[Encoded]) -> tuple[int, int]:
        """To score rows of one prompt: tokens read, and tokens at which the head is computed."""

    @abstractmethod
    def evaluation_tokens(self, rows: Sequence[Encoded], max_new_tokens: int) -> int:
        """About how many tokens measuring one adapter on these rows reads and writes."""

    @abstractmethod
    def step_tokens(self, rows: Sequence[Encoded]) -> float:
        """Tokens that an average step of training on these rows reads."""

    @abstractmethod
    def evaluate(
        self,
        model: PreTrainedModel,
        task: Task,
        examples: Sequence[Example],
        rows: Sequence[Encoded],
    ) -> Evaluation:
        """A model without an adapter on a task."""

    @abstractmethod
    def evaluate_all(
        self,
        model: PreTrainedModel,
        task: Task,
        examples: Sequence[Example],
        rows: Sequence[Sequence[Encoded]],
    ) -> list[Evaluation]:
        """K fine-tunes that stand in a model on a task; `rows[k]`: as fine-tune k reads them."""

    @abstractmethod
    def losses_all(
        self, model: PreTrainedModel, rows: Sequence[Sequence[Encoded]]
    ) -> list[list[ExampleLoss]]:
        """Teacher-forced losses of K fine-tunes that stand in a model, in order."""

    @abstractmethod
    def mean_losses_all(
        self, model: PreTrainedModel, rows: Sequence[Sequence[Encoded]]
    ) -> list[MeanLoss]:
        """Mean losses of K fine-tunes that stand in a model, over equally many examples."""

    @abstractmethod
    def gradients_all(
        self, model: PreTrainedModel, rows: Sequence[Sequence[Encoded]]
    ) -> list[LayerGradients]:
        """Gradients of K fine-tunes that stand in a model, by its last layer's own weights."""

    @abstractmethod
    def lowest(
        self,
        model: PreTrainedModel,
        rows: Sequence[Sequence[Encoded]],
        batch_size: int,
        heard: Heard,
    ) -> Selection:
        """Which of several prompts has the lowest loss in a model; see `FineTunes.lowest`."""

    @abstractmethod
    def checkpointed_with(
        self, model: PreTrainedModel, dropouts: Sequence[Dropout]
    ) -> AbstractContextManager[object]:
        """Gradient checkpointing with stacks in the model that have their own dropout."""

    def checkpointed(
        self, model: PreTrainedModel, *again: Callable[[], Again]
    ) -> AbstractContextManager[object]:
        """Gradient checkpointing inside the block, if the study asks for it."""
        wanted = self.study.memory.gradient_checkpointing
        return checkpointed(model, *again) if wanted else nullcontext()

    @abstractmethod
    def adapters(
        self, model: PreTrainedModel, starts: Sequence[AdapterStart]
    ) -> AbstractContextManager[Adapters]:
        """Adapters on a frozen model, as they start; gone after the block."""

    @contextmanager
    def fine_tuned(self, model: PreTrainedModel, members: Sequence[Member]) -> Iterator[Adapters]:
        """A fresh adapter per member, trained to its end."""
        with self.adapters(model, [AdapterStart(member.seed) for member in members]) as tuned:
            tuned.begin(members)
            tuned.train()
            yield tuned
