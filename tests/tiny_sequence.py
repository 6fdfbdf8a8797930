"""A sequence study of seconds: two tasks, every policy, every method."""

from sapo_analysis.spec import SequenceStudy


def tiny_sequence(**changes) -> SequenceStudy:
    settings = {
        "name": "tiny-sequence",
        "orders": [["sentiment", "add"]],
        "strategies": ["original", "sapo"],
        "prompts": 3,
        "seeds": [0],
        "training": {"examples": 24, "batch_size": 4, "steps": 3},
        "scoring": {"examples": 20},
        "evaluation": {"examples": 5, "final_examples": 8},
        "ewc": {"examples": 3},
        "device": "cpu",
    }
    return SequenceStudy.model_validate({**settings, **changes})
