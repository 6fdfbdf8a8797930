"""From folders of released outputs to a run: read whole, checked, then written whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sapo_analysis.analysis.importing.problems import Problems
from sapo_analysis.analysis.importing.released.reading import (
    SCORE,
    ReleasedChain,
    read_chain,
    score_of,
)
from sapo_analysis.analysis.importing.released.remarks import base_of, remarks
from sapo_analysis.analysis.importing.released.tables import SEED, tables_of_chains
from sapo_analysis.analysis.importing.results import as_name, one_line
from sapo_analysis.errors import InputError
from sapo_analysis.plan import order_name
from sapo_analysis.spec import NOT_RECORDED, ImportedSequence
from sapo_analysis.store import Run, open_run
from sapo_analysis.store.access import refuse_if_read_only
from sapo_analysis.store.imported import create_imported_run
from sapo_analysis.store.released import BASE_FOLDER, EVALUATION, ReleasedFiles

LONGEST_REMARK = 1000
NO_BASE = (
    "What the base model scored is not known, so neither forward transfer (FWT) nor any gain over"
    f" the base model is. Give the file of {BASE_FOLDER} with --base."
)


def import_released(
    folders: Path | str | Sequence[Path | str],
    runs_dir: Path | str = "runs",
    base: Path | str | None = None,
    name: str | None = None,
    model: str = "",
    note: str = "",
) -> Run:
    """Make a run of what the released code of SAPO left in its output folders.

    Args:
        folders: One or several; each holds stage folders, or folders that do. All together: one
            model, the same tasks, every strategy on every order.
        runs_dir: Folder that the run is written into.
        base: A JSON file with what the base model scored on each task, as `original_performance`
            has them. Default: that file, where it lies in a folder given; else `results.json`.
        name: Start of the run's id; made to fit. Default: the name of its order.
        model: The model, in the user's words. Default: the name of its folder.
        note: What readers of the run should be told.

    Raises:
        InputError: something cannot be read or used; every missing score is named, and nothing was
            written. Or the runs folder cannot be written, or this server is read-only.
    """
    refuse_if_read_only("no results can be imported here")
    several = [folders] if isinstance(folders, str | Path) else list(folders)
    files = ReleasedFiles.of([Path(folder) for folder in several])
    problems = Problems(" and ".join(files.named(root) for root in files.roots))
    chains = [read_chain(files, found, problems) for found in files.outputs()]
    chains.sort(key=lambda chain: (order_name(chain.order), chain.strategy))
    _check_one_study(chains)
    problems.refuse()
    evaluations = [files.json(chain.outputs.path / EVALUATION) for chain in chains]
    scores = _base(files, chains, evaluations, None if base is None else Path(base))
    tables = tables_of_chains(chains, scores, problems)
    problems.refuse()
    said = remarks(chains, evaluations) + ([] if scores else [NO_BASE])
    spec = ImportedSequence(
        name=as_name(name if name is not None else _name(chains[0], files)),
        model=one_line(model or _model(chains), 200) or NOT_RECORDED,
        folders=tuple(chain.folder for chain in chains),
        sha256=files.sha256,
        orders=tuple(dict.fromkeys(chain.order for chain in chains)),
        strategies=tuple(dict.fromkeys(str(chain.strategy) for chain in chains)),
        seeds=(SEED,),
        remarks=tuple(one_line(remark, LONGEST_REMARK) for remark in said),
        note=one_line(note, 1000),
    )
    n_stages = sum(len(chain.stages) for chain in chains)
    return open_run(create_imported_run(Path(runs_dir), spec, tables, n_stages))


def _name(chain: ReleasedChain, files: ReleasedFiles) -> str:
    """The folder of the order, as released."""
    above = chain.outputs.above
    return above[-1] if above else files.roots[0].name


def _model(chains: Sequence[ReleasedChain]) -> str:
    """The model that folders name, all the same one; "" where none does."""
    return next((chain.model for chain in chains if chain.model), "")


def _check_one_study(chains: Sequence[ReleasedChain]) -> None:
    """Refuse folders that do not stand in one table."""
    models = {chain.model: chain.folder for chain in chains if chain.model}
    if len(models) > 1:
        listed = "; ".join(f"{model} ({folder})" for model, folder in models.items())
        raise InputError(f"The folders are of several models: {listed}. Import each by itself.")
    tasks = {frozenset(chain.order): chain for chain in chains}
    if len(tasks) > 1:
        listed = "; ".join(f"{chain.folder} ({', '.join(chain.order)})" for chain in tasks.values())
        raise InputError(
            f"The folders are of several sets of tasks: {listed}. Strategies compare on the same"
            " tasks: give the folders of one set, each of its strategies, as in"
            " saves/*/qwen3-8b/ni_seq_c1."
        )
    there: dict[tuple[str, str], str] = {}
    for chain in chains:
        place = (order_name(chain.order), str(chain.strategy))
        if place in there:
            raise InputError(
                f"{there[place]} and {chain.folder} are both {chain.strategy} on"
                f" {order_name(chain.order)}. Give one of them."
            )
        there[place] = chain.folder
    orders = dict.fromkeys(order for order, _ in there)
    strategies = dict.fromkeys(strategy for _, strategy in there)
    absent = [f"{s} on {o}" for o in orders for s in strategies if (o, s) not in there]
    if absent:
        raise InputError(
            f"Not every strategy is there on every order: no {'; no '.join(absent)}. Give those"
            " folders too, or import each order by itself."
        )


def _base(
    files: ReleasedFiles,
    chains: Sequence[ReleasedChain],
    evaluations: Sequence[Any],
    given: Path | None,
) -> dict[str, float] | None:
    order = chains[0].order
    if given is not None:
        results = files.json(given)
        if results is None:
            raise InputError(f"No file {str(given)!r}. Give the base model's scores, or leave it.")
        return _base_of_file(results, given.name, order)
    model = _model(chains)
    for root in files.roots if model else ():
        path = root / BASE_FOLDER / f"{model}.json"
        if (results := files.json(path)) is not None:
            return _base_of_file(results, files.named(path), order)
    found = [base_of(e, chain.order) for e, chain in zip(evaluations, chains, strict=True)]
    known = [one for one in found if one is not None]
    if any(one != known[0] for one in known):
        raise InputError(
            f"The {EVALUATION} of these folders name different scores of the base model. Give the"
            f" file of {BASE_FOLDER} with --base."
        )
    return known[0] if known else None


def _base_of_file(results: dict[str, Any], named: str, order: Sequence[str]) -> dict[str, float]:
    scores = {task: score_of(results, task) for task in order}
    missing = [f"{task} ({why})" for task, (value, why) in scores.items() if value is None]
    if missing:
        raise InputError(
            f"{named} has no ROUGE-L of the base model, and a missing score never becomes a zero,"
            f" on {', '.join(missing)}. Its keys have to be {SCORE} and a task's name, as in"
            " all_results.json."
        )
    return {task: value for task, (value, _) in scores.items() if value is not None}
