"""The launch form of this browser tab: what it started from, what was changed, where that is kept.

Widgets show and change `Form`; their own state is only what is on the screen. What `Form` holds is
written into a draft whenever it changes, so a closed tab loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import streamlit as st

from sapo_analysis.app import own_prompts
from sapo_analysis.app.data import all_runs, own_folder
from sapo_analysis.app.known_tasks import KnownTasks, known_tasks
from sapo_analysis.app.launching import (
    QUESTIONS,
    SIZES,
    Changes,
    Start,
    of_race,
    of_run,
    of_size,
    settings_of,
)
from sapo_analysis.app.launching.choices import ROLES
from sapo_analysis.app.launching.start import fitting
from sapo_analysis.errors import InputError, SapoError, unknown
from sapo_analysis.plan import EngineName, as_engine
from sapo_analysis.store import DamagedRun, Run, is_read_only
from sapo_analysis.store.drafts import (
    Draft,
    discard_draft,
    new_draft_id,
    newest_draft,
    read_draft,
    save_draft,
)
from sapo_analysis.tasks import Task

_FORM = "launch-form"
_SHARED = (
    *("model", "data_seed", "seeds", "device", "dtype", "lora.", "training.", "soft_prompt."),
    *("ts_loss.", "ptp.", "context_tuning.", "promot.", "full.", "ia3.", "metatuner."),
    *("diagnostics.", "evaluation.n_shots"),
)
"""Settings that both questions have, which stay when the question is changed."""


@dataclass
class Form:
    """What this tab's form holds.

    `origin` is `from=RUN`, `race=RUN` or `task=TASK`, as the address has it; empty: a size.
    `generation` is in every widget's key, so that widgets of another form are new ones.
    """

    question: str
    size: str
    start: Start
    origin: str = ""
    extend: bool = False
    smaller: bool = False
    engine: EngineName = "stacked"
    changes: Changes = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    draft_id: str = ""
    saved: Draft | None = None
    told: frozenset[str] = frozenset()
    """Equal runs that the page has named, as it was last drawn."""
    generation: int = 0

    @property
    def run_id(self) -> str:
        """The run that the form was filled in from; empty for a size."""
        kind, _, run_id = self.origin.partition("=")
        return run_id if kind in ("from", "race") else ""

    def value(self, name: str) -> Any:
        """A setting as it stands."""
        return self.changes[name] if name in self.changes else self.start.settings.get(name)

    def put(self, name: str, value: Any) -> None:
        """Change a setting; back at what the form started from it is no change."""
        if value == self.start.settings.get(name) and name in self.start.settings:
            self.changes.pop(name, None)
        else:
            self.changes[name] = value

    def key(self, name: str) -> str:
        """A widget's key."""
        return f"launch-{self.generation}-{name}"

    def reset(self, name: str) -> None:
        """Take a change back, on the screen too."""
        self.changes.pop(name, None)
        st.session_state.pop(self.key(name), None)

    def redraw(self) -> None:
        """Let every widget show what the form holds: another part of it was changed for them."""
        self.generation += 1

    def show(self, name: str, to_widget: Callable[[Any], Any] = lambda value: value) -> str:
        """Let the widget of a setting show it; returns the widget's key."""
        key = self.key(name)
        if key not in st.session_state:
            st.session_state[key] = to_widget(self.value(name))
        return key

    @property
    def tasks(self) -> KnownTasks:
        """The tasks to choose from: those of the study it started from come first."""
        return known_tasks(self.start.settings.get("tasks_from") or ())

    def name_sources(self, known: KnownTasks) -> None:
        """Name where the tasks of the form are; what the study named that stays."""
        used = [name for name in self.tasks_used() if name not in known.given]
        given: list[str] = list(self.start.settings.get("tasks_from") or ())
        self.put("tasks_from", [*given, *(s for s in known.sources_of(used) if s not in given)])

    def tasks_used(self) -> list[str]:
        """Every task of the form, known or not."""
        if self.question == "sequence":
            names = [task for order in self.value("orders") for task in order]
        else:
            names = [task for role in ROLES for task in self.value(role)]
        return list(dict.fromkeys(names))

    @property
    def draft(self) -> Draft:
        """What is to be kept."""
        return Draft(
            question=self.question,  # type: ignore[arg-type]  # checked by the model
            size=self.size,
            start=self.origin,
            extend=self.extend,
            smaller=self.smaller,
            engine=self.engine,
            changes=dict(self.changes),
        )


def form() -> Form:
    """This tab's form: the one at hand, what the address asks for, or a new one."""
    known = st.session_state.get(_FORM)
    asked = st.query_params.get("draft", "")
    if isinstance(known, Form) and _is_meant(known, asked):
        return known
    made = _restored(asked) if asked else None
    made = made or _opened()
    _note_unknown_tasks(made)
    made.generation = known.generation + 1 if isinstance(known, Form) else 1
    st.session_state[_FORM] = made
    return made


def _is_meant(known: Form, draft_id: str) -> bool:
    if draft_id and draft_id != known.draft_id:
        return False
    origin = _origin_asked()
    if not origin:
        return True
    extend, smaller = (st.query_params.get(name) == "1" for name in ("extend", "smaller"))
    return (origin, extend, smaller) == (known.origin, known.extend, known.smaller)


def _origin_asked() -> str:
    for name in ("from", "race", "task"):
        if value := st.query_params.get(name):
            return f"{name}={value}"
    return ""


def _opened() -> Form:
    """A form as the address asks for it; what cannot be had is said in its notes."""
    notes = []
    question = _known("question", QUESTIONS, "paraphrase", notes)
    size = _known("size", SIZES, "quick", notes)
    made = Form(question, size, of_size(question, size))
    origin = _origin_asked()
    if origin:
        made.extend, made.smaller = (
            st.query_params.get(name) == "1" for name in ("extend", "smaller")
        )
        try:
            fill(made, origin)
        except InputError as error:
            notes.append(str(error))
            made.extend = made.smaller = False
    made.notes = notes
    return made


def _known(name: str, known: Mapping[str, str], default: str, notes: list[str]) -> str:
    wanted = st.query_params.get(name, default)
    if wanted in known:
        return wanted
    notes.append(f"The link asks for {name}={wanted[:80]!r}. Known: {', '.join(known)}.")
    return default


def fill(made: Form, origin: str) -> None:
    """Start a form from a run, a race of one, or a task.

    Raises:
        InputError: the run is not here, damaged, imported or of another kind; no such task.
    """
    kind, _, name = origin.partition("=")
    if kind == "task":
        known = made.tasks.tasks
        if name not in known:
            raise unknown("task", name, list(known))
        made.question, made.size = "paraphrase", "quick"
        made.start = of_size(made.question, made.size)
        made.changes = _of_task(made.start, known[name])
    else:
        run = _run(name)
        study = run.made_here("be launched again" if kind == "from" else "be raced")
        if kind == "race":
            made.start, made.question = of_race(name, run.paraphrase, run), "sequence"
        else:
            made.start, made.question = of_run(name, study), study.kind
        made.size = "run"
        if made.smaller:
            # Numbers stay those of the same trials: only how many are trained at once changes.
            made.engine, made.extend = "plain", study.kind == "paraphrase"
        elif kind == "from":
            made.engine = as_engine(str(run.provenance.get("engine") or "stacked"))
    made.origin = origin


def _note_unknown_tasks(made: Form) -> None:
    """Say which tasks the table cannot have: they are left out."""
    known = made.tasks
    made.notes += known.damage
    if missing := [name for name in made.tasks_used() if name not in known.tasks]:
        made.notes.append(f"Not known here and left out: {', '.join(missing)[:300]}.")


def _run(run_id: str) -> Run:
    found = all_runs().get(run_id)
    if found is None:
        raise InputError(
            f"Run {run_id[:120]!r} is not here, so the form was not filled in from it. Copy its"
            " folder into your runs folder, then open the link again."
        )
    if isinstance(found, DamagedRun):
        raise InputError(f"{found.reason} The form was not filled in from it.")
    return found


def _of_task(start: Start, task: Task) -> Changes:
    """The one task as current, the others as they are, with the user's own prompts.

    A task with few rows or paraphrases gets as many as it has.
    """
    changes: Changes = {"current": [task.name]}
    for role in ("past", "unseen", "retained"):
        others = [name for name in start.settings[role] if name != task.name]
        if others != start.settings[role]:
            changes[role] = others
    offered = sum(not wording.test_only for wording in task.wordings[1:])
    has: dict[str, int] = {
        "training.examples": task.sizes["train"],
        "scoring.examples": task.sizes["train"],
        "evaluation.examples": task.sizes["test"],
        "prompts": offered,
    }
    changes |= {name: n for name, n in has.items() if n < start.settings[name]}
    texts = own_prompts.own_prompts(task.name).usable
    if texts:
        changes["own_prompts"] = {task.name: texts}
    return changes


def restart(made: Form, question: str, size: str) -> None:
    """Start the form at hand from another size or question; changes that still mean something stay.

    A form that was filled in from a run leaves it, unless `size` is "run".
    """
    if size == "run":
        return
    same = question == made.question
    made.changes = {
        name: value
        for name, value in made.changes.items()
        if same or name.startswith(_SHARED) or name in _SHARED
    }
    if made.origin and not made.origin.startswith("task="):
        made.changes = {}
    made.question, made.size, made.start = question, size, of_size(question, size)
    made.origin, made.extend, made.smaller = "", False, False
    made.changes = {k: v for k, v in made.changes.items() if made.start.settings.get(k) != v}
    made.redraw()
    _write_address(made)


def _restored(draft_id: str) -> Form | None:
    """The form of a draft; None where it is gone, or cannot be read, which is then said."""
    try:
        draft = read_draft(own_folder(), draft_id)
    except InputError as error:
        made = _opened()
        made.notes.append(str(error))
        return made
    return of_draft(draft_id, draft) if draft is not None else None


def of_draft(draft_id: str, draft: Draft) -> Form:
    """The form that a draft was made of; what cannot be shown of it any more is said."""
    size = draft.size if draft.size in SIZES else "quick"
    made = Form(draft.question, size, of_size(draft.question, size))
    made.extend, made.smaller = draft.extend, draft.smaller
    if draft.start:
        try:
            fill(made, draft.start)
        except InputError as error:
            made.notes.append(str(error))
            made.extend = made.smaller = False
    made.engine = draft.engine
    kept, left = fitting(made.start, draft.changes, settings_of(made.question))
    made.changes = kept
    if left:
        made.notes.append(f"Not taken over from the draft, for it cannot be shown: {left}.")
    made.draft_id, made.saved = draft_id, draft
    return made


def offered_draft(made: Form) -> tuple[str, Draft | None, str] | None:
    """The newest draft where this form holds nothing yet: its name, it, or why it is unreadable."""
    if made.draft_id or made.changes or made.origin or is_read_only():
        return None
    draft_id = newest_draft(own_folder())
    if draft_id is None:
        return None
    try:
        draft = read_draft(own_folder(), draft_id)
    except InputError as error:
        return draft_id, None, str(error)
    return (draft_id, draft, "") if draft is not None else None


def take_up(draft_id: str, draft: Draft) -> None:
    """Go on with a draft."""
    made = of_draft(draft_id, draft)
    _note_unknown_tasks(made)
    known = st.session_state.get(_FORM)
    made.generation = known.generation + 1 if isinstance(known, Form) else 1
    st.session_state[_FORM] = made


def throw_away(draft_id: str) -> None:
    """Remove a draft for good."""
    discard_draft(own_folder(), draft_id)


def keep(made: Form) -> str:
    """Write the form's draft if it changed, and the address; returns why it could not be kept."""
    _write_address(made)
    draft = made.draft
    if is_read_only() or not (made.changes or made.draft_id):
        return ""
    if made.saved is not None and _content(made.saved) == _content(draft):
        return ""
    made.draft_id = made.draft_id or new_draft_id()
    try:
        save_draft(own_folder(), made.draft_id, draft)
    except SapoError as error:
        return str(error)
    made.saved = draft
    _write_address(made)
    return ""


def _content(draft: Draft) -> dict[str, Any]:
    return draft.model_dump(exclude={"saved"})


def let_go(made: Form) -> None:
    """Forget a form that was launched, with its draft."""
    if made.draft_id:
        discard_draft(own_folder(), made.draft_id)
    st.session_state.pop(_FORM, None)


def _write_address(made: Form) -> None:
    kind, _, name = made.origin.partition("=")
    wanted = {
        "question": made.question,
        "size": made.size if made.size in SIZES else "",
        **dict.fromkeys(("from", "race", "task"), ""),
        "extend": "1" if made.extend else "",
        "smaller": "1" if made.smaller else "",
        "draft": made.draft_id,
    }
    if kind:
        wanted[kind] = name
    for key, value in wanted.items():
        if not value:
            st.query_params.pop(key, None)
        elif st.query_params.get(key) != value:
            st.query_params[key] = value


def at_time(saved: str) -> str:
    """When something was saved, as this machine's clock has it: `14:02`, or with the day."""
    try:
        then = datetime.fromisoformat(saved).astimezone()
    except ValueError:
        return saved[:40]
    now = datetime.now().astimezone()
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%d %b %Y, %H:%M}"
