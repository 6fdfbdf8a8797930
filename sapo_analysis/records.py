"""What was measured: the tables of a run folder, declared once for writing and reading."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa

_STUDIES = ("paraphrase", "sequence")


@dataclass(frozen=True)
class Table:
    """One table: a name, what one row is, the columns that name a row, and the Arrow schema.

    A column that may be null says so in the schema; every other column must hold a value in every
    row. `kinds`: of runs that have the table.
    """

    name: str
    row: str
    keys: tuple[str, ...]
    schema: pa.Schema
    kinds: tuple[str, ...] = (*_STUDIES, "imported-sequence")


def _table(
    name: str, row: str, keys: str, /, **columns: pa.DataType | tuple[pa.DataType, str]
) -> Table:
    fields = [
        pa.field(column, kind[0], nullable=True)
        if isinstance(kind, tuple)
        else pa.field(column, kind, nullable=False)
        for column, kind in columns.items()
    ]
    return Table(name, row, tuple(keys.split()), pa.schema(fields))


def _only(kinds: tuple[str, ...], table: Table) -> Table:
    return replace(table, kinds=kinds)


def _also(kind: str, table: Table) -> Table:
    return replace(table, kinds=(*table.kinds, kind))


_text, _int, _float, _bool = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_OPTIONAL = "null allowed"

# Of imported results it holds the prompts whose wording was given; of imported sequences all that
# were used, "not recorded" in place of a text that is not known.
PROMPTS = _also(
    "imported",
    _table(
        "prompts",
        "a prompt",
        "task prompt_id",
        task=_text,
        prompt_id=_text,
        text=_text,
        source=_text,
        test_only=_bool,
        # Pretraining examples with this text; null: not known for this model.
        frequency=(_int, _OPTIONAL),
        n_tokens=(_int, _OPTIONAL),  # of the instruction text alone; null: of imported results
    ),
)
EXAMPLES = _table(
    "examples",
    "an example that a study used",
    "task split example",
    task=_text,
    split=_text,
    example=_int,  # row number in the split's file order
    input=_text,
    target=_text,
)
STATES = _table(
    "states",
    "a stage of the model",
    "state_id",
    state_id=_text,
    parent_id=(_text, _OPTIONAL),  # null: the base model
    state_seed=(_int, _OPTIONAL),
    learned=pa.list_(pa.string()),  # tasks learned so far, in order
)
TRIALS = _table(
    "trials",
    "a fine-tune",
    "trial_id",
    trial_id=_text,
    state_id=_text,  # the parent state
    result_state_id=(_text, _OPTIONAL),  # only where later trials start from the result
    # paft where prompts were drawn while it trained; else null: one prompt trained it, and in a
    # sequence `chains` says which policies chose that
    policy=(_text, _OPTIONAL),
    method=_text,
    seed=_int,
    # main, noise, repeat (a main trial once more in another stack: what rounding does) or past (a
    # past task learned on the way to a parent state)
    purpose=_text,
    current_task=_text,
    prompt_id=_text,
    status=_text,  # done, or diverged (the loss became NaN or infinite; no scores at the end)
    engine=_text,
    chunk=_int,  # adapters trained at once
    device=_text,
)
CHAINS = _only(
    ("sequence", "imported-sequence"),
    _table(
        "chains",
        "a stage of a chain: one strategy that learns one order of tasks under one seed",
        "order policy method seed stage",
        order=_text,  # tasks in learned order, joined by " > "
        policy=_text,
        method=_text,
        seed=_int,
        stage=_int,  # from 1
        task=_text,
        prompt_id=_text,  # the chosen training prompt
        state_id=_text,  # before the stage
        trial_id=_text,  # chains that do the same thing share a fine-tune
        result_state_id=(_text, _OPTIONAL),  # null: the fine-tune diverged, and the chain ends
        # What this chain's choice and fine-tune took, as if no other chain had shared them.
        # Fine-tunes trained at once share their time evenly. Of imported sequences nan, or null,
        # where the files do not say.
        choice_seconds=_float,
        choice_examples=(_int, _OPTIONAL),  # texts read to choose
        train_seconds=_float,
        train_examples=(_int, _OPTIONAL),  # texts trained on, as often as they are read
    ),
)
CANDIDATE_LOSSES = _only(
    ("paraphrase",),
    _table(
        "candidate_losses",
        "the loss of one example under one candidate prompt, before any update",
        "state_id task prompt_id example",
        state_id=_text,
        task=_text,
        prompt_id=_text,
        example=_int,
        nll_sum=_float,  # nats, summed over the target tokens, end-of-turn included
        n_tokens=_int,
        content_nll=_float,  # nats over the tokens of the target text alone
        content_tokens=_int,
    ),
)
INDICATORS = _table(
    "indicators",
    "a number known before the update",
    "state_id task prompt_id name",
    state_id=_text,
    task=_text,
    prompt_id=_text,
    name=_text,
    value=_float,
    unit=_text,
    n_examples=_int,
    exact=_bool,  # false: stopped early, a lower bound
)
SCORES = _table(
    "scores",
    "one evaluation: a state or a trial, on one task's test examples, under one test prompt",
    # A state of a sequence's last stage is measured twice: on as many examples as the stages before
    # it, and on all.
    "state_id trial_id eval_task test_prompt step n_shots n_examples",
    state_id=_text,  # the state measured, or the trial's parent state
    trial_id=(_text, _OPTIONAL),  # null: the state itself was measured
    eval_task=_text,
    test_prompt=_text,
    step=_int,  # optimizer steps taken since the state
    # Demonstrations before each test input; what analyses read has 0 unless they say otherwise.
    n_shots=_int,
    # Past, unseen, retained or current, as the trial sees the task; null for states.
    role=(_text, _OPTIONAL),
    metric=_text,
    value=_float,  # 0 to 100
    loss=_float,  # nats per target token over all test examples; nan: not known where imported
    n_examples=(_int, _OPTIONAL),  # null: of imported sequences, where no outputs say it
)
CURVES = _only(
    _STUDIES,
    _table(
        "curves",
        "one value along one trial's training",
        "trial_id step series",
        trial_id=_text,
        step=_int,  # optimizer steps taken
        # train_loss (nats per target token of the next batch) and grad_norm, at every step's start;
        # in studies with checkpoints, there and at both ends, delta_norm (Frobenius norm of the
        # update, (alpha / r) B A over all adapted matrices) and dev_loss (nats per target token,
        # current task)
        series=_text,
        value=_float,
    ),
)
DIAGNOSTICS = _only(
    _STUDIES,
    _table(
        "diagnostics",
        "one value that a study looked at along one trial's training, beside its curves",
        "trial_id step name subject",
        trial_id=_text,
        # Optimizer steps taken, those of an earlier phase of the same fine-tune included.
        step=_int,
        # tuned_score and other_score (0 to 100, the subject's metric), format_ratio (share of the
        # subject's answers in the tuned task's format) and at step 0 format_ratio_of_targets (of
        # its gold answers), gradient_alignment (cosine with the gradient of shuffled labels, by
        # module of the last layer; nan where a gradient is zero) and gradient_alignment_floor; of
        # fine-tunes with a soft prompt h0_persistence and h1_persistence (sums of death − birth in
        # `persistence`) and compactness (1 − rms distance to the centroid ÷ rms norm, 0 to 1); of
        # methods that choose a prompt for each text chosen_share (of the tuned task's test rows)
        name=_text,
        subject=_text,  # the evaluated task, the module, SOFT_PROMPT, or the chosen prompt's id
        value=_float,
        n_examples=_int,  # of a soft prompt its virtual tokens
    ),
)
SOFT_PROMPT = "soft prompt"
"""The subject of what is told of a soft prompt."""
PERSISTENCE = _only(
    _STUDIES,
    _table(
        "persistence",
        "one component or loop that a soft prompt's virtual tokens form at growing distance, at a"
        " look of `diagnostics`",
        "trial_id step dimension pair",
        trial_id=_text,
        step=_int,  # as in `diagnostics`
        dimension=_int,  # 0: a component; 1: a loop
        pair=_int,  # its number in its dimension, by birth and death
        # Of a component 0. That which stays for ever is left out, as are loops of no length.
        birth=_float,  # Euclidean distance between input embeddings
        death=_float,
    ),
)
# Of a sequence: of its states under each task's original prompt.
PREDICTIONS = _table(
    "predictions",
    "one kept output",
    "state_id trial_id eval_task test_prompt step n_shots example",
    state_id=_text,
    trial_id=(_text, _OPTIONAL),
    eval_task=_text,
    test_prompt=_text,
    step=_int,
    n_shots=_int,
    example=_int,
    output=_text,
    loss=_float,  # nats per target token of this example
    correct=_bool,
)
COSTS = _only(
    _STUDIES,
    _table(
        "costs",
        "what one phase of one group of work took",
        "group phase",
        group=_text,
        phase=_text,  # score, train or evaluate
        seconds=_float,
        examples=_int,
        tokens=_int,  # tokens the model read or wrote
        # 2 per parameter and token forward, 4 more (of which 2 for frozen weights) backward.
        model_flops=_float,
        peak_bytes=_int,  # process memory on a CPU, allocated device memory on a GPU
    ),
)

IMPACTS = _only(
    ("imported",),
    _table(
        "impacts",
        "what one fine-tune did to one evaluated task, as another tool measured it",
        "trial_id eval_task",
        trial_id=_text,
        state_id=_text,
        current_task=_text,
        prompt_id=_text,
        state_seed=(_int, _OPTIONAL),
        seed=_int,
        purpose=_text,  # main or noise
        eval_task=_text,
        role=_text,
        test_prompt=_text,
        metric=_text,
        pre_update_loss=_float,
        score_change=_float,  # points of 0 to 100
        loss_change=_float,  # nats per target token
        # Null where only the changes were given.
        score_before=(_float, _OPTIONAL),
        score_after=(_float, _OPTIONAL),
        loss_before=(_float, _OPTIONAL),
        loss_after=(_float, _OPTIONAL),
    ),
)
IMPORTED_INDICATORS = _only(
    ("imported",),
    _table(
        "imported_indicators",
        "a further number of a fine-tune that was given beside its results",
        "trial_id name",
        trial_id=_text,
        name=_text,
        value=_float,
    ),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        PROMPTS,
        EXAMPLES,
        STATES,
        TRIALS,
        CHAINS,
        CANDIDATE_LOSSES,
        INDICATORS,
        SCORES,
        CURVES,
        DIAGNOSTICS,
        PERSISTENCE,
        PREDICTIONS,
        COSTS,
        IMPACTS,
        IMPORTED_INDICATORS,
    )
}


def tables_of(kind: str) -> list[Table]:
    """The tables of a run of this kind."""
    return [table for table in TABLES.values() if kind in table.kinds]
