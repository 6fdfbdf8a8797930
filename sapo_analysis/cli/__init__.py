"""The command line: `sapo COMMAND --help`. The same jobs as in the app, from a terminal.

Exit status: 0 done; 2 the input was wrong, nothing was written; 1 the work failed; 130 stopped by
Ctrl-C.
"""

from __future__ import annotations

import signal
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from sapo_analysis.cli import (
    add_task,
    bench,
    demo,
    doctor,
    engine,
    equivalence,
    export,
    importing,
    models,
    paraphrase,
    pretraining,
    queue,
    reproduce,
    results,
    serve,
    studies,
    world,
)
from sapo_analysis.cli.output import say
from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.jobs import StudyInterrupted

__all__ = ["app", "main"]


class _Commands(TyperGroup):
    """The one place where errors become messages and exit statuses."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; an expected error is one plain message, never a traceback."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            say(f"Error: {error}")
            raise typer.Exit(2) from error
        except WorkError as error:
            say(f"Failed: {error}")
            raise typer.Exit(1) from error
        except StudyInterrupted as stop:
            say(f"Stopped. Finished trials are safe. Continue with: sapo resume {stop.path}")
            raise typer.Exit(130) from stop


app = typer.Typer(
    cls=_Commands,
    name="sapo",
    help="Does the wording of a training prompt decide what a language model forgets?",
    epilog="Exit status: 0 done, 2 wrong input (nothing written), 1 the work failed, 130 stopped.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _add(name: str, function: Any) -> None:
    app.command(name)(function)


_add("demo", demo.demo)
_add("app", serve.app)
_add("run", studies.run)
_add("resume", studies.resume)
_add("cancel", queue.cancel)
_add("queue", queue.queue)
_add("runs", results.runs)
_add("report", results.report)
_add("export", export.export_)
_add("reproduce", reproduce.reproduce)
_add("import", importing.import_)
_add("tasks", world.tasks)
_add("add-task", add_task.add_task)
_add("prompts", world.prompts)
_add("paraphrase", paraphrase.paraphrase)
_add("equivalence", equivalence.equivalence_)
_add("models", models.models)
_add("fetch", models.fetch)
_add("score", engine.score)
_add("rank", engine.rank)
_add("pretrain", pretraining.pretrain)
_add("card", pretraining.card)
_add("bench", bench.bench)
_add("doctor", doctor.doctor)


def main() -> None:
    """Entry point of the console script `sapo`."""
    # A termination signal stops as Ctrl-C does: the worker has a session of its own and would
    # otherwise go on alone.
    signal.signal(signal.SIGTERM, _interrupt)
    app()


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
