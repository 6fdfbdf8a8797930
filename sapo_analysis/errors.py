"""The errors a user can meet: each says what was wrong, the value, what is allowed, the next step.

`sapo` turns an `InputError` into exit status 2 and a `WorkError` into exit status 1, both as one
plain message without a traceback; everything else is a bug and keeps its traceback in the log.
"""

_MOST_MEANT = 3
"""Names that are offered for what is the beginning of each."""


class SapoError(Exception):
    """Base of every error this package raises on purpose."""


class InputError(SapoError):
    """What the user gave cannot be used: a setting, a name, a file. Nothing was written."""


class WorkError(SapoError):
    """The input was fine but the work could not be finished."""


class RunError(InputError):
    """A run folder cannot be read: a table is missing, damaged or of an unknown schema."""


def unknown(
    kind: str, value: object, known: "list[str] | tuple[str, ...]", next_step: str = ""
) -> InputError:
    """The one wording for an unknown name: the value, the nearest known, all known, what next."""
    near = _nearest(str(value), [str(k) for k in known])
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    listed = ", ".join(sorted(str(k) for k in known))
    return InputError(
        f"Unknown {kind} {value!r}.{hint} Known: {listed}.{' ' + next_step if next_step else ''}"
    )


def _nearest(value: str, known: list[str]) -> list[str]:
    """What may have been meant: names that begin with the value, else the one most like it."""
    import difflib

    folded = value.casefold()
    begin = sorted(name for name in known if name.casefold().startswith(folded))
    if len(folded) > 1 and 0 < len(begin) <= _MOST_MEANT:
        return begin
    by_folded = {name.casefold(): name for name in known}
    return [by_folded[name] for name in difflib.get_close_matches(folded, by_folded, n=1)]
