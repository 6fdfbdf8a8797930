"""What the released code of SAPO leaves in its output folders becomes a run.

Layout, as that code writes it (github.com/Eric8932/SAPO at 7bfa865: `scripts/*.sh` name the
folders, `src/run_prompt.py`, `src/run_lorainc.py` and `src/uie_trainer.py` write the files,
`src/run_evaluation.py` reads them)::

    saves/METHOD/MODEL/ORDER/outputs/        METHOD: LoraInc, LoraInc_SAPO, O-LoRA, O-LoRA_SAPO
      1-task195/                             the stages, numbered; TRACE: 1-cstance, 2-fomc, ...
        all_results.json                     train_runtime, train_samples, epoch; of every task
                                             predict_rougeL_for_NAME, predict_exact_match_for_NAME;
                                             predict_loss is NaN
        predict_eval_predictions.jsonl       a line per test row: Dataset, Instance (id, sentence,
                                             label, instruction), Prediction
        prompts_train/                       where the strategy chooses among candidates
          instruction_-1.json                prompts of all tasks; -1 is the original, 0 to 19 the
          instruction_0.json ...             paraphrases of the stage's task
          predict_results_-1.json ...        of the same candidate predict_loss (pre-update loss in
                                             the released averaging), predict_samples,
                                             predict_runtime
          instructions.json                  a copy of the chosen one
      results.json                           what run_evaluation.py made of it
    original_performance/MODEL.json          what the base model scored

No output of that code is public: the layout is read off the code that writes it. A reconstruction
are the keys of `original_performance/MODEL.json`, of which the code says only that each holds
`rougeL` and the task's name; they are taken to be those of `all_results.json`.

Scores are ROUGE-L, as the released evaluation takes them. They are not computed again (that needs
rouge-score, of the training half); exact match is, and where it differs from the file's that
is said.
"""

from sapo_analysis.analysis.importing.released.results import import_released

__all__ = ["import_released"]
