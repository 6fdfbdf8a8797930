"""A sequence study on the terminal while it runs: the choice at hand, and how strategies stand."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group
from rich.live import Live
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from sapo_analysis.analysis.sequences.live import Choice, LiveSequence
from sapo_analysis.analysis.wording import signed
from sapo_analysis.cli.output import clean, number
from sapo_analysis.cli.progress import StudyProgress
from sapo_analysis.spec import SequenceStudy
from sapo_analysis.store.live import LiveReader
from sapo_analysis.store.status import Status

_SHOWN = 5
_BARS = "▁▂▃▄▅▆▇█"


class Race(StudyProgress):
    """Shows each status that `jobs` hands it, and what the run has told since the last one.

    Off a terminal it says what `StudyProgress` does, and what was chosen last.
    """

    counted = "stages"

    def __init__(self, study: SequenceStudy) -> None:
        super().__init__()
        self._race = LiveSequence(study)
        self._reader: LiveReader | None = None
        # It goes when the run ends: the last stage is in the report, not in the picture.
        self._picture = Live(console=self._console, refresh_per_second=4, transient=True)
        self._screen = self._picture

    def __call__(self, path: Path, status: Status) -> None:
        """Show where the run stands."""
        if self._reader is None:
            self._reader = LiveReader(path)
        self._race.take(self._reader.new())
        phase = status.phase or status.state
        shown = phase
        if self._live:
            shown = ""  # it has a line of its own
        elif self._race.now:
            shown = f"{phase} · {self._race.now}"
        super().__call__(path, status.model_copy(update={"phase": shown}))
        if self._live:
            height = self._console.size.height
            self._picture.update(drawn(self._race, self._bar, phase, height))


def drawn(race: LiveSequence, bar: Progress, phase: str = "", height: int = 1000) -> Group:
    """The whole picture: progress, the last choice, candidates at hand, standings.

    The matrix is left out where the terminal has too few lines (`height`) for all of it.
    """
    parts: list[Progress | Text | Table] = [bar, Text(clean(phase), no_wrap=True)]
    if race.now:
        parts.append(Text(clean(race.now)))
    if shown := race.candidates:
        most = max(choice.n for choice in shown)
        best = ", ".join(_worded(choice, most) for choice in shown[:_SHOWN])
        more = f" … {_worded(shown[-1], most)}" if len(shown) > _SHOWN else ""
        task = race.scored_task
        parts.append(Text(clean(f"{task}, candidates by loss (nats/token): {best}{more}")))
    if curve := next(reversed(race.curves.values()), None):
        parts.append(Text(f"last training curve: {_sparkline(curve)} {curve[-1]:.3f} nats/token"))
    parts.append(_standings(race))
    # Of tables: title, head, three rules, rows; of the rest a line each, of candidates up to three.
    lines = len(parts) + 2 + 5 + len(race.study.strategies) + 6 + len(race.study.tasks)
    if lines <= height:
        parts.append(_matrix(race))
    return Group(*parts)


def _standings(race: LiveSequence) -> Table:
    table = Table(
        title=Text("So far, with original test prompts; no verdict before the end"),
        title_justify="left",
    )
    for name in ("strategy", "last choice", "stages", "score on learned", "kept", "ahead"):
        table.add_column(name, justify="left" if name in ("strategy", "last choice") else "right")
    for own in race.standings():
        numbers = [number(own.learned, 1), signed(own.kept, 1), signed(own.ahead, 1)]
        table.add_row(Text(own.strategy), Text(clean(own.choice)), str(own.stages), *numbers)
    return table


def _worded(choice: Choice, most: int) -> str:
    if choice.stopped:
        return f"{choice.prompt} ≥ {choice.loss:.3f} (stopped at {choice.n})"
    so_far = f" ({choice.n} of {most} texts)" if choice.n < most else ""
    return f"{choice.prompt} {choice.loss:.3f}{so_far}"


def _sparkline(values: list[float]) -> str:
    low, high = min(values), max(values)
    steps = len(_BARS) - 1
    return "".join(_BARS[round((v - low) / (high - low or 1) * steps)] for v in values)


def _matrix(race: LiveSequence) -> Table:
    """Score by stage and position of one strategy: SAPO's where there is one."""
    names = [str(strategy) for strategy in race.study.chosen_strategies]
    shown = next((name for name in names if name.startswith("sapo+")), names[0])
    table = Table(title=Text(f"{shown}: score by stage and place in the order"))
    for name in ("", *(f"task {i + 1}" for i in range(len(race.study.tasks)))):
        table.add_column(name, justify="right")
    for stage, row in enumerate(race.matrix(shown)):
        if not all(value != value for value in row):
            label = f"after {stage}" if stage else "base"
            table.add_row(label, *(number(value, 0) for value in row))
    return table


def progress_of(study: object) -> StudyProgress:
    """What shows a study of this kind."""
    return Race(study) if isinstance(study, SequenceStudy) else StudyProgress()
