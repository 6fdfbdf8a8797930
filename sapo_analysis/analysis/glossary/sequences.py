"""Sequences of tasks, and races over a study."""

from __future__ import annotations

from sapo_analysis.analysis.glossary.term import POINTS, TOKEN, Term

SECTIONS: dict[str, tuple[Term, ...]] = {
    "Sequences": (
        Term("ap", "AP", POINTS, "average performance after the last stage", "high"),
        Term(
            *("bwt", "BWT", POINTS),
            "backward transfer, averaged over stages as released; negative: forgetting",
            "high",
        ),
        Term(
            *("bwt_final", "BWT, last row", POINTS),
            "backward transfer of the last stage alone; negative: forgetting",
            "high",
        ),
        Term("fwt", "FWT", POINTS, "forward transfer to tasks not learned yet", "high"),
        Term(
            *("chain_forgetting_loss", "forgetting in loss", "nats/token"),
            "loss after the last stage − loss when just learned, mean over all tasks but the last;"
            " positive: forgetting",
            "low",
        ),
        Term(
            *("final", "final", "0 to 100"),
            "score after the last stage, over all its examples",
            "high",
        ),
        Term(
            *("just_learned", "just learned", "0 to 100"),
            "score right after the task was learned",
            "high",
        ),
        Term(
            *("change", "change", POINTS),
            "score after the last stage − just learned, chains that learn the task last left out",
            "high",
        ),
        Term(
            *("gain_before", "gain before", POINTS),
            "gain over the base model while the task is not learned yet, mean over those stages",
            "high",
        ),
        Term(
            *("chain_loss_change", "loss change", TOKEN),
            "loss after the last stage − just learned, as for `change`",
            "low",
        ),
        Term("strategy", "strategy", "", "policy+method: which prompt teaches, and how"),
        Term("reference", "reference", "", "the strategy that another one is compared with"),
        Term(
            *("difference", "strategy − reference", ""),
            "strategy − reference, paired by order and seed; seeds averaged within an order,"
            " Student t over orders",
        ),
        Term("lower", "from", "", "lower end of the 95 % interval"),
        Term("upper", "to", "", "upper end of the 95 % interval"),
        Term(
            *("p_holm", "p, Holm", ""),
            "p corrected by Holm over the contrasts that are tested beside the primary one",
        ),
        Term("is_primary", "primary", "", "the one contrast that was named beforehand"),
        Term("n_orders", "orders", "", "orders of the tasks that enter"),
        Term("unit", "unit", "", "what the interval is over: orders, or seeds of one order"),
        Term("choice_seconds", "choosing", "s", "time that choosing prompts took", "low"),
        Term("choice_examples", "texts read", "", "texts read to choose", "low"),
        Term("train_seconds", "training", "s", "time that training took", "low"),
        Term(
            *("train_examples", "texts trained", ""),
            "texts trained on, as often as they are read",
        ),
        Term(
            *("share", "share", ""),
            "of choosing in choosing and training, by time; fine-tunes of a stack share its time"
            " evenly, so it hangs on how many there were",
            "low",
        ),
        Term(
            *("share_of_texts", "share of texts", ""),
            "the share of choosing by texts read; one is read forwards to choose, forwards and"
            " backwards to train",
            "low",
        ),
        Term(
            *("regret", "regret", "nats/token"),
            "pre-update loss of the chosen prompt − the lowest at that state, where it is known:"
            " at states that a policy had scored, and so for other policies mostly at the first",
            "low",
        ),
        Term("mean_regret", "mean regret", "nats/token", "mean of regret where it is known", "low"),
        Term("largest_regret", "largest", "nats/token", "largest regret that is known", "low"),
        Term("n_stages", "stages known", "", "stages at which regret is known"),
        Term("stage", "stage", "", "how many tasks have been learned by then"),
        Term("order", "order", "", "the tasks of a chain as they are learned"),
        Term("seed", "seed", "", "of the chain: adapters, data order, dropout, random choices"),
        Term("learned_at", "learned at", "stage", "the stage at which the chain learned the task"),
        Term("score_base", "base model", "0 to 100", "score of the base model", "high"),
        Term("score_learned", "just learned", "0 to 100", "score at that stage", "high"),
        Term("score_now", "now", "0 to 100", "score at the stage of the cell", "high"),
        Term(
            *("since_learned", "Δ since learned", POINTS),
            "score now − just learned; negative: lost",
            "high",
        ),
        Term("since_base", "Δ to base", POINTS, "score now − that of the base model", "high"),
        Term("loss_base", "loss, base", TOKEN, "loss of the base model", "low"),
        Term("loss_learned", "loss, learned", TOKEN, "loss when the task was just learned", "low"),
        Term("loss_now", "loss, now", TOKEN, "loss at the stage of the cell", "low"),
        Term(
            *("loss_since_learned", "Δ loss since learned", TOKEN),
            "loss now − just learned; positive: lost",
            "low",
        ),
        Term(
            *("loss_since_base", "Δ loss to base", TOKEN),
            "loss now − that of the base model",
            "low",
        ),
        Term(
            *("then", "then", ""),
            "the output when the task was just learned, of the chain shown under `now`; of the base"
            " model where the task was not learned before this stage",
        ),
        Term(
            *("now", "now", ""),
            "the output at this stage, of the first chain that forgot it, else of the first",
        ),
        Term("right_then", "right then", "", "how many chains answered the example right then"),
        Term("right_now", "right now", "", "how many chains answer the example right now"),
        Term("chosen_loss", "loss", "nats/token", "of the chosen prompt at this state", "low"),
        Term("lowest_loss", "lowest", "nats/token", "of all candidates at this state", "low"),
    ),
    "Races over a study": (
        Term("study_x", "loss in the study", TOKEN, "pre-update loss of this prompt's own point"),
        Term("study_y", "in the study", "", "the outcome of this prompt's own point"),
        Term(
            *("parent", "parent state", ""),
            "how near the state that the race learned the task from is to the study's: the same"
            " weights, or the same tasks learned before by another fine-tune",
        ),
        Term("study_value", "study", "", "the key's value in the study on this page"),
        Term("race_value", "that run", "", "the key's value in the sequence run"),
    ),
}
