"""What a fine-tune does, and what is known before it."""

from __future__ import annotations

from sapo_analysis.analysis.glossary.term import POINTS, TOKEN, Better, Term
from sapo_analysis.analysis.quantities import LOSS_UNIT, QUANTITIES


def _quantity_terms() -> tuple[Term, ...]:
    """Each quantity in score form and in loss form."""
    words = {
        "forgetting": ("forgetting", "points lost", "loss rise"),
        "generalization": ("generalization", "points gained", "loss drop"),
        "learning": ("learning", "points gained", "loss drop"),
        "impact": ("impact", "points gained", "loss drop"),
    }
    terms = []
    for quantity in QUANTITIES:
        label, points, in_loss = words[quantity.name]
        forms = quantity.to_dict()
        better: Better = "low" if quantity.good_when == "low" else "high"
        on = f"on {' or '.join(quantity.roles)} tasks"
        said = f"{quantity.meaning}, {on}: "
        score = said + forms["score_form"].replace("-", "−")
        loss = said + forms["loss_form"].replace("-", "−")
        terms.append(Term(quantity.name, label, points, score, better))
        terms.append(Term(f"{quantity.name}_loss", in_loss, LOSS_UNIT, loss, better))
    return tuple(terms)


_ALIGNMENT = "mean cosine of the loss's gradient with that of {} tasks; positive: a small step that"
_ALIGNMENT += " helps the current task helps them"

SECTIONS: dict[str, tuple[Term, ...]] = {
    "Outcomes of a fine-tune": (
        *_quantity_terms(),
        Term(
            *("score_after", "final in-task score", POINTS),
            "score on the current task after the fine-tune, under its training prompt",
            "high",
        ),
        Term(
            *("loss_after", "final in-task loss", LOSS_UNIT),
            "loss on the current task after the fine-tune, under its training prompt; the drop is"
            " not used, as it holds pre-update loss on both axes",
            "low",
        ),
        Term("score_before", "score before", POINTS, "score at the trial's parent state", "high"),
        Term("loss_before", "loss before", LOSS_UNIT, "loss at the trial's parent state", "low"),
        Term("score_change", "Δ score", POINTS, "score after − before", "high"),
        Term("loss_change", "Δ loss", LOSS_UNIT, "loss after − before", "low"),
    ),
    "Known before the update": (
        Term(
            *("pre_update_loss", "pre-update loss", TOKEN),
            "loss on the task's training examples under a prompt, before any update; averaged as"
            " the paper's released code does: a mean of batch means",
        ),
        Term(
            *("pre_update_loss_token_mean", "pre-update loss, token mean", TOKEN),
            "pre-update loss as the mean over all target tokens",
        ),
        Term(
            *("pre_update_loss_example_mean", "pre-update loss, example mean", TOKEN),
            "pre-update loss as the mean over examples of each one's mean over tokens",
        ),
        Term(
            *("pre_update_loss_content", "pre-update loss, answer text alone", TOKEN),
            "pre-update loss over the answer's text, without the tokens that only end it",
        ),
        Term("prompt_length", "prompt length", "tokens", "tokens of the instruction alone"),
        Term(
            *("prompt_frequency", "pretraining examples with this prompt", ""),
            "how many pretraining examples hold this prompt's text",
        ),
        Term(
            *("log_prompt_frequency", "log(1 + pretraining examples with this prompt)", ""),
            "natural logarithm of one plus the pretraining examples with this prompt's text",
        ),
        Term(
            *("prompt_seen", "prompt met in pretraining", "1 yes, 0 no"),
            "whether any pretraining example holds this prompt's text",
        ),
        Term("prompt_perplexity", "prompt perplexity", "1", "perplexity of the prompt's own words"),
        Term(
            *("prompt_similarity", "similarity to learned tasks' prompts", "cosine"),
            "largest cosine between the prompt and the prompts of tasks learned before",
        ),
        Term(
            *("gradient_norm", "gradient norm", "nats per token, per unit of weight"),
            "norm of the loss's gradient by the weights that adapters change",
        ),
        *(
            Term(
                f"gradient_alignment_{role}",
                f"gradient alignment with {role} tasks",
                "mean cosine",
                _ALIGNMENT.format(role),
            )
            for role in ("past", "unseen", "retained")
        ),
        Term(
            *("loss_after_step", "loss after one small step", TOKEN),
            "loss on the current task after one small step of gradient descent",
        ),
    ),
}
