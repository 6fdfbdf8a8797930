"""What the report says of paraphrase studies that stand beside each other."""

from __future__ import annotations

from sapo_analysis.analysis.wording import counted
from sapo_analysis.paper.html.chips import Badge
from sapo_analysis.paper.html.head import Head, about, made_with, states
from sapo_analysis.paper.numbers import SeveralNumbers

QUESTION = "Does what one study finds hold in the others?"
TERMS = ("pre_update_loss", "these_interval", "new_interval")


def head(numbers: SeveralNumbers) -> Head:
    """The top of the page: that these runs are not pooled, and why."""
    runs = numbers.runs
    return Head(
        QUESTION,
        f"{counted(len(runs), 'run')} beside each other, never pooled.",
        (),
        (),
        " ".join(dict.fromkeys(map(made_with, runs))),
        (Badge(counted(len(runs), "run")), *states(runs)),
        about(runs),
        tuple(filter(None, (numbers.apart, numbers.silent))),
    )
