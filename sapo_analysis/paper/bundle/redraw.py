"""Draws the figures of this folder again, from `specs/`, and says which files came out the same.

    pip install -r requirements.txt
    python redraw.py

Each file in `figures/` is written anew and compared with what `drawn.json` says of the first one.
Venue, width, font, formats and parts left out stand in `drawn.json` too and can be changed there.
Nothing is drawn from `data/`: a file there that was changed is named.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

DRAWN = "drawn.json"
REQUIREMENTS = "requirements.txt"


def redraw(folder: Path) -> Iterator[tuple[str, bool]]:
    """Draw and write each file; its name in the folder, and whether it came out the same.

    Raises:
        InputError: a spec is damaged, or cannot be drawn.
    """
    from sapo_analysis.figures.saving import from_json
    from sapo_analysis.figures.stamp import Stamp

    drawn = _drawn(folder)
    date = drawn["date"] and datetime.fromisoformat(drawn["date"])
    for name, figure in drawn["figures"].items():
        text = (folder / "specs" / f"{name}.json").read_text(encoding="utf-8")
        spec = from_json(text).without(*drawn["without"])
        stamp = Stamp(figure["title"], drawn["source"], drawn["facts"], date)
        on_paper = spec.drawn(drawn["venue"], drawn["width"], drawn["font"])
        for kind, sha256 in figure["sha256"].items():
            data = on_paper.bytes(kind, stamp)
            file = folder / "figures" / f"{name}.{kind}"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
            yield f"figures/{file.name}", hashlib.sha256(data).hexdigest() == sha256


def changed_data(folder: Path) -> list[str]:
    """Files of numbers that are not those of the first drawing, each in words."""
    found = []
    for name, figure in _drawn(folder)["figures"].items():
        file = folder / "data" / f"{name}.csv"
        what = "was changed" if file.is_file() else "is missing"
        if not file.is_file() or (
            hashlib.sha256(file.read_bytes()).hexdigest() != figure["data_sha256"]
        ):
            found.append(f"data/{name}.csv {what}; figures are drawn from specs/{name}.json")
    return found


def other_versions(folder: Path) -> list[str]:
    """Packages that are not installed in the version that drew the figures, each in words."""
    found = []
    for line in (folder / REQUIREMENTS).read_text(encoding="utf-8").splitlines():
        name, pinned, wanted = line.partition("==")
        if not pinned:
            continue
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "not installed"
        if installed != wanted:
            found.append(f"{name}: {wanted} drew them, here is {installed}")
    return found


def main(folder: Path) -> int:
    """Redraw and report.

    Returns:
        0 if every file came out the same and no data was changed, 1 if not, 2 if not all could be
        drawn.
    """
    try:
        from sapo_analysis.errors import SapoError
    except ImportError:
        print(
            "The package sapo-analysis is not installed here, and it draws these figures."
            " Install it with: pip install -r requirements.txt",
            file=sys.stderr,
        )
        return 2
    same = []
    try:
        total = sum(len(figure["sha256"]) for figure in _drawn(folder)["figures"].values())
        changed = changed_data(folder)
        for n, (file, is_same) in enumerate(redraw(folder), start=1):
            same.append(is_same)
            word = "same     " if is_same else "DIFFERENT"
            print(f"{n:>{len(str(total))}} of {total} {word} {file}", flush=True)
    except KeyError as error:
        print(f"The figures could not be drawn: {DRAWN} lacks {error}.", file=sys.stderr)
        return 2
    except (SapoError, OSError, ValueError) as error:
        print(f"The figures could not be drawn: {error}", file=sys.stderr)
        return 2
    print(f"{sum(same)} of {len(same)} files are the same, byte by byte.")
    for line in changed:
        print(line)
    if not all(same):
        for line in other_versions(folder):
            print(f"Another version: {line}")
    return 0 if all(same) and not changed else 1


def _drawn(folder: Path) -> dict[str, Any]:
    drawn: dict[str, Any] = json.loads((folder / DRAWN).read_text(encoding="utf-8"))
    return drawn


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent))
