"""Draws the figures of this folder again, from `specs/`, and says which files came out the same.

    pip install -r requirements.txt
    python redraw.py

Each file in `figures/` is written anew and compared with what `drawn.json` says of the first one.
Venue, width, font, formats and parts left out stand in `drawn.json` too and can be changed there.
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

DRAWN = "drawn.json"
REQUIREMENTS = "requirements.txt"


def redraw(folder: Path) -> dict[str, bool]:
    """Whether each file came out the same, by its name in the folder.

    Raises:
        InputError: a spec is damaged, or cannot be drawn.
    """
    from sapo_analysis.figures.saving import from_json
    from sapo_analysis.figures.stamp import Stamp

    drawn: dict[str, Any] = json.loads((folder / DRAWN).read_text(encoding="utf-8"))
    date = drawn["date"] and datetime.fromisoformat(drawn["date"])
    same = {}
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
            same[f"figures/{file.name}"] = hashlib.sha256(data).hexdigest() == sha256
    return same


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
    """Redraw and report; 0 if every file came out the same, 1 if not, 2 if none could be drawn."""
    try:
        from sapo_analysis.errors import SapoError
    except ImportError:
        print(
            "The package sapo-analysis is not installed here, and it draws these figures."
            " Install it with: pip install -r requirements.txt",
            file=sys.stderr,
        )
        return 2
    try:
        same = redraw(folder)
    except KeyError as error:
        print(f"The figures could not be drawn: {DRAWN} lacks {error}.", file=sys.stderr)
        return 2
    except (SapoError, OSError, ValueError) as error:
        print(f"The figures could not be drawn: {error}", file=sys.stderr)
        return 2
    for file, is_same in same.items():
        print(f"{'same     ' if is_same else 'DIFFERENT'} {file}")
    print(f"{sum(same.values())} of {len(same)} files are the same, byte by byte.")
    if all(same.values()):
        return 0
    for line in other_versions(folder):
        print(f"Another version: {line}")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent))
