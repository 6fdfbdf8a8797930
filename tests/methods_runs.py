"""Made-up runs of several methods, shared by tests of analysis, figures and papers."""

from tests.synthetic import Truth, write_run
from tests.synthetic_sequence import write_sequence_run

SIZES = {"n_tasks": 5, "n_prompts": 3, "seeds": (0, 1), "n_shots": (0, 1)}
LOOKS = {"diagnostics": {"every": 25}}
ORDERS = [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]


def write_lora(folder, **settings):
    return write_run(folder, name="tuned-lora", **{**SIZES, **LOOKS, **settings})


def write_promot(folder, **settings):
    """The same study with ProMoT: two points better in task, eight points less lost elsewhere."""
    truth = Truth(gain=42.0, harm=12.0, format_ratio=0.3, in_task_spread=2.0)
    settings = {"method": "promot", "truth": truth, **settings}
    return write_run(folder, name="tuned-promot", **{**SIZES, **LOOKS, **settings})


def write_prompt_tuning(folder, square=1.0, **settings):
    """The same study with prompt tuning, whose soft prompt is a square that grows by `square`."""
    settings = {"method": "prompt-tuning", "truth": Truth(square=square), **settings}
    return write_run(folder, name="tuned-prompt", **{**SIZES, **LOOKS, **settings})


def sequence_score(strategy, order, seed, stage, position, prompt):
    """Base 40; a task gains 30 when learned, under ProMoT 32; then loses 5 a stage, or 2."""
    if stage < position:
        return 40.0 + order.index(order[position - 1]) + seed
    gain, lost = (32.0, 2.0) if strategy.endswith("promot") else (30.0, 5.0)
    own = 3 * (strategy.startswith("sapo")) * (order[0] != "a")
    return 40.0 + position - 1 + seed + gain - lost * (stage - position) + own


def look(strategy, tuned, other, step):
    """Scores rise by 10 a look; half of the others' outputs, or a tenth, are in the format."""
    if tuned == other:
        return {"tuned_score": 40.0 + step * 0.4}
    ratio = (0.1 if strategy.endswith("promot") else 0.5) * (step > 0)
    first = {"format_ratio_of_targets": 0.05} if step == 0 else {}
    return {"other_score": 50.0 - step * 0.1, "format_ratio": ratio, **first}


def write_sequence(folder, **settings):
    strategies = ["original", "sapo", "original+promot", "sapo+promot"]
    made = {"orders": ORDERS, "strategies": strategies, "seeds": [0, 1], "kept": 8}
    made |= {"n_shots": (0, 1), "look": look, "losses": {"00": 1.5, "01": 1.0, "02": 4.0}}
    return write_sequence_run(folder, sequence_score, **{**made, **settings})
