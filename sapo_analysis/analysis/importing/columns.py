"""The header of a table of results: what has to be there, what may be, what a slip looks like."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from sapo_analysis.analysis.impacts import COLUMNS, HEADLINE_INDICATOR
from sapo_analysis.analysis.importing.problems import Problems, short
from sapo_analysis.analysis.quantities import QUANTITIES

REQUIRED = ("current_task", "prompt_id", "seed", "eval_task", "role", HEADLINE_INDICATOR)
FORMS = {"score": ("score_before", "score_after"), "loss": ("loss_before", "loss_after")}
"""Each form needs its two ends, or its change."""
WORDING = ("prompt_text", "source")
OPTIONAL = (
    *("run_id", "trial_id", "state_id", "state_seed", "purpose", "metric", "test_prompt"),
    *WORDING,
)
WHOLE = ("seed", "state_seed")
ENDS = tuple(end for ends in FORMS.values() for end in ends)
CHANGES = tuple(f"{form}_change" for form in FORMS)
DERIVED = tuple(
    name for quantity in QUANTITIES for name in (quantity.name, f"{quantity.name}_loss")
)
NUMBERS = (HEADLINE_INDICATOR, *CHANGES, *ENDS, *DERIVED)

_KNOWN = tuple(dict.fromkeys((*COLUMNS, *OPTIONAL)))
_TOO_CLOSE = 0.88
"""A column of numbers that reads so much like a known one is taken for a slip, not an indicator."""
_TAKEN = {
    *("task", "text", "n_tokens", "frequency", "test_only", "n_seeds", "n_eval_tasks", "unit"),
    *("mark", "name", "value"),
}
"""Names that tables of prompts and points use themselves."""
_INDICATOR = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")


def check_columns(names: Sequence[str], numeric: set[str], problems: Problems) -> tuple[str, ...]:
    """The further columns of numbers, which are indicators.

    Args:
        names: The header.
        numeric: Columns that hold numbers alone.
        problems: Gathers what is wrong with the others.
    """
    for name in dict.fromkeys(n for n in names if list(names).count(n) > 1):
        problems.add(f"Column {short(name)} is there twice. Leave one out")
    for i, name in enumerate(names, 1):
        if not name.strip():
            problems.add(f"Column {i} has no name in the header")
    if len(names) == 1:
        problems.add("There is only one column. Part columns by commas, semicolons or tabs")
    missing = [name for name in REQUIRED if name not in names]
    for form, ends in FORMS.items():
        if f"{form}_change" not in names:
            missing += [end for end in ends if end not in names]
    if missing:
        instead = ", ".join(f"{form}_change" for form in FORMS if f"{form}_before" in missing)
        or_else = f" ({instead} would do in place of before and after)" if instead else ""
        problems.add(f"Missing columns: {', '.join(missing)}{or_else}")
    if "source" in names and "prompt_text" not in names:
        problems.add("Column 'source' needs 'prompt_text' beside it")
    further = []
    for name in names:
        if name in _KNOWN or not name.strip():
            continue
        near = difflib.get_close_matches(name.lower(), _KNOWN, n=1, cutoff=0.6)
        slip = difflib.get_close_matches(name.lower(), _KNOWN, n=1, cutoff=_TOO_CLOSE)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        if name not in numeric:
            problems.add(
                f"Unknown column {short(name)}, which does not hold numbers alone.{hint} Leave it"
                " out"
            )
        elif slip and slip[0] not in names:
            problems.add(
                f"Unknown column {short(name)}.{hint} For an indicator choose another name"
            )
        elif not _INDICATOR.fullmatch(name) or name.lower() in _TAKEN:
            problems.add(
                f"Column {short(name)} cannot be an indicator by that name. Use letters, digits and"
                f" _, at most 60, and none of: {', '.join(sorted(_TAKEN))}"
            )
        else:
            further.append(name)
    return tuple(further)
