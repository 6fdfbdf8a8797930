"""A study of seconds: two past tasks, two current ones, everything else at its smallest."""

from sapo_analysis.spec import ParaphraseStudy


def tiny_study() -> ParaphraseStudy:
    return ParaphraseStudy.model_validate(
        {
            "name": "tiny",
            "past": ["translate", "topic"],
            "current": ["sentiment", "place"],
            "retained": ["first_word"],
            "prompts": 2,
            "seeds": [0, 1],
            "state_seeds": [0],
            "noise_seeds": [7],
            "training": {"examples": 12, "batch_size": 4, "steps": 3},
            "scoring": {"examples": 9},
            "evaluation": {"examples": 5, "n_predictions_kept": 3},
            "device": "cpu",
        }
    )
