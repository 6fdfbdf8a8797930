"""The four outcomes a reader can look at: column, role, good direction and the words for them."""

from __future__ import annotations

from dataclasses import dataclass

from sapo_analysis.analysis.glossary import DIRECTIONS, SECTIONS, entry

SD_WORDS = "sd over prompts, as metrics differ"
"""The unit where evaluated tasks have several metrics, in words for an axis."""


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
    predicted: int
    claim: str | None

    def column(self, form: str) -> str:
        """The column that holds this outcome in a form (`score` or `loss`)."""
        return self.score if form == "score" else self.loss

    def lower_is_better(self, form: str) -> bool:
        """Whether a low value is good in this form."""
        return entry(self.column(form)).better == "low"

    def axis(self, form: str, n_eval_tasks: int, eval_task: str | None, sd: bool = False) -> str:
        """Axis title: what is measured, on which tasks, its unit and its good direction."""
        term = entry(self.column(form))
        if eval_task is not None:
            on = f" of {eval_task}"
        elif self.role == "current":
            on = ""
        else:
            on = f", mean of {n_eval_tasks} {self.role} task{'s' if n_eval_tasks != 1 else ''}"
        unit = SD_WORDS if sd else term.unit
        return f"{term.label}{on}\n({unit}, {DIRECTIONS[term.better]})"


OUTCOMES: dict[str, Outcome] = {
    outcome.name: outcome
    for outcome in (
        Outcome(
            name="forgetting_past",
            label="Forgetting past",
            role="past",
            score="forgetting",
            loss="forgetting_loss",
            predicted=1,
            claim="claim_3_forgetting_past",
        ),
        Outcome(
            name="forgetting_retained",
            label="Forgetting retained",
            role="retained",
            score="forgetting",
            loss="forgetting_loss",
            predicted=1,
            claim="claim_3_forgetting_retained",
        ),
        Outcome(
            name="generalization",
            label="Generalization",
            role="unseen",
            score="generalization",
            loss="generalization_loss",
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
            predicted=0,
            claim=None,
        ),
    )
}

INDICATOR_WORDS = {term.name: term.axis for term in SECTIONS["Known before the update"]}
"""An indicator's axis title."""


def indicator_words(column: str) -> str:
    """An indicator's axis title, with its unit where it is known."""
    return INDICATOR_WORDS.get(column, column.replace("_", " "))


def indicator_name(column: str) -> str:
    """An indicator in a table's cell, without its unit."""
    return indicator_words(column).split(" (")[0]
