"""The four outcomes a reader can look at: column, role, good direction and the words for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """One outcome of a fine-tune, in its score form and its loss form.

    `predicted` is the sign that the published claims predict for its correlation with pre-update
    loss; 0 where they predict none.
    """

    name: str
    label: str
    role: str
    score: str  # column of the impacts table
    loss: str
    score_words: str
    loss_words: str
    score_lower_is_better: bool
    loss_lower_is_better: bool
    predicted: int
    claim: str | None

    def column(self, form: str) -> str:
        """The column that holds this outcome in a form (`score` or `loss`)."""
        return self.score if form == "score" else self.loss

    def lower_is_better(self, form: str) -> bool:
        """Whether a low value is good in this form."""
        return self.score_lower_is_better if form == "score" else self.loss_lower_is_better

    def axis(self, form: str, n_eval_tasks: int, eval_task: str | None, sd: bool = False) -> str:
        """Axis title: what is measured, on which tasks, its unit and its good direction."""
        words = self.score_words if form == "score" else self.loss_words
        if eval_task is not None:
            on = f" of {eval_task}"
        elif self.role == "current":
            on = ""
        else:
            on = f", mean of {n_eval_tasks} {self.role} task{'s' if n_eval_tasks != 1 else ''}"
        better = "lower" if self.lower_is_better(form) else "higher"
        name, unit = words.split("|")
        if sd:
            unit = "sd over prompts, as metrics differ"
        return f"{name}{on}\n({unit}, {better} is better)"


_LOSS_UP = "loss rise|nats per target token"
_LOSS_DOWN = "loss drop|nats per target token"
OUTCOMES: dict[str, Outcome] = {
    outcome.name: outcome
    for outcome in (
        Outcome(
            name="forgetting_past",
            label="Forgetting past",
            role="past",
            score="forgetting",
            loss="forgetting_loss",
            score_words="forgetting|points lost",
            loss_words=_LOSS_UP,
            score_lower_is_better=True,
            loss_lower_is_better=True,
            predicted=1,
            claim="claim_3_forgetting_past",
        ),
        Outcome(
            name="forgetting_retained",
            label="Forgetting retained",
            role="retained",
            score="forgetting",
            loss="forgetting_loss",
            score_words="forgetting|points lost",
            loss_words=_LOSS_UP,
            score_lower_is_better=True,
            loss_lower_is_better=True,
            predicted=1,
            claim="claim_3_forgetting_retained",
        ),
        Outcome(
            name="generalization",
            label="Generalization",
            role="unseen",
            score="generalization",
            loss="generalization_loss",
            score_words="generalization|points gained",
            loss_words=_LOSS_DOWN,
            score_lower_is_better=False,
            loss_lower_is_better=False,
            predicted=-1,
            claim="claim_3_generalization",
        ),
        # Learning in loss form holds pre-update loss on both axes; the final value does not.
        Outcome(
            name="in_task",
            label="In-task",
            role="current",
            score="score_after",
            loss="loss_after",
            score_words="final in-task score|points",
            loss_words="final in-task loss|nats per target token",
            score_lower_is_better=False,
            loss_lower_is_better=True,
            predicted=0,
            claim=None,
        ),
    )
}

INDICATOR_WORDS = {
    "pre_update_loss": "pre-update loss (nats per token)",
    "pre_update_loss_token_mean": "pre-update loss, token mean (nats per token)",
    "pre_update_loss_example_mean": "pre-update loss, example mean (nats per token)",
    "pre_update_loss_content": "pre-update loss, answer text alone (nats per token)",
    "prompt_length": "prompt length (tokens)",
    "prompt_frequency": "pretraining examples with this prompt",
    "log_prompt_frequency": "log(1 + pretraining examples with this prompt)",
    "prompt_seen": "prompt met in pretraining (1 yes, 0 no)",
    "prompt_perplexity": "prompt perplexity (1)",
    "prompt_similarity": "similarity to learned tasks' prompts (cosine)",
    "gradient_norm": "gradient norm (nats per token, per unit of weight)",
    "gradient_alignment_past": "gradient alignment with past tasks (mean cosine)",
    "gradient_alignment_unseen": "gradient alignment with unseen tasks (mean cosine)",
    "gradient_alignment_retained": "gradient alignment with retained tasks (mean cosine)",
    "loss_after_step": "loss after one small step (nats per token)",
}


def indicator_words(column: str) -> str:
    """An indicator's axis title, with its unit where it is known."""
    return INDICATOR_WORDS.get(column, column.replace("_", " "))


def indicator_name(column: str) -> str:
    """An indicator in a table's cell, without its unit."""
    return indicator_words(column).split(" (")[0]
