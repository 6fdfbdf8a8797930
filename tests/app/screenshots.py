"""Pictures of every page, to be looked at: `make screenshots`.

Serves the shipped runs and a small run of each kind made for it, opens every page at two widths,
the wide one also in the dark theme, and writes PNG files into `screenshots/`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sapo_analysis import jobs
from sapo_analysis.spec import PRESETS, load_study
from sapo_analysis.store import open_run
from tests.app.adding import add_reviews
from tests.app.browsing import browser, page_of, served, settled

FOLDER = Path("screenshots")
WIDTHS = {"wide": 1280, "phone": 390}
ADDED = "reviews"
_WAIT_SECONDS = 300


def main(only: list[str]) -> None:
    """Take all pictures, or those whose names begin as asked."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "runs"
        add_reviews(folder, ADDED)
        runs = {what: jobs.launch(load_study(PRESETS / f"{what}.yaml"), folder) for what in _MADE}
        with served(folder) as server, browser() as opened:
            # While it runs, then everything when it is done.
            _wait(lambda: open_run(runs["sequence-smoke"]).status.is_at_work)
            for shot, path in _live(runs).items():
                _take(opened, server.address, shot, path, only)
            _wait(lambda: all(open_run(path).is_complete for path in runs.values()))
            for shot, path in _pages(runs).items():
                _take(opened, server.address, shot, path, only)
    print(f"Look at them: {FOLDER.absolute()}")


_MADE = ("smoke", "sequence-smoke")


def _live(runs: dict[str, Path]) -> dict[str, str]:
    return {"live-at-work": f"live?run={runs['sequence-smoke'].name}"}


def _pages(runs: dict[str, Path]) -> dict[str, str]:
    smoke, sequence = runs["smoke"].name, runs["sequence-smoke"].name
    return {
        "explore": "",
        "explore-between": "?tab=Between+tasks",
        "explore-trust": "?tab=Can+I+trust+it%3F",
        "explore-compare": "?tab=Compare+with+a+live+run",
        "statistics": "statistics",
        "statistics-noise": "statistics?part=Noise",
        "statistics-between": "statistics?part=Between+tasks",
        "statistics-indicators": "statistics?part=Indicators",
        "statistics-differs": "statistics?part=What+else+differs",
        "statistics-pays": "statistics?part=Does+the+rule+pay%3F",
        "statistics-next": "statistics?part=Next+study",
        "sequences": "sequences",
        "figures": "figures",
        "figures-full": "figures?figure=Between+tasks&width=Full",
        "figures-grey": f"figures?of={sequence}&look=Grey+print",
        "figures-tables": "figures?show=Tables",
        "tasks": "tasks",
        "tasks-add": "tasks?add=1",
        "tasks-added": f"tasks?task={ADDED}",
        "tasks-public": "tasks?task=boolq",
        "tasks-paraphrases": "tasks?task=opposite&tab=Paraphrases",
        "launch": "launch",
        "launch-sequence": "launch?question=sequence",
        "live-paraphrase": f"live?run={smoke}",
        "live-sequence": f"live?run={sequence}",
        "runs": "runs",
        "method": "method",
        "methods-compared": "methods_compared",
        "methods-compared-against": "methods_compared?answer=Against+plain+LoRA",
        "methods-compared-scores": "methods_compared?answer=Scores",
        "methods-compared-differences": "methods_compared?answer=Differences",
        "methods-compared-trade-off": "methods_compared?answer=Trade-off",
        "methods-compared-published": "methods_compared?answer=As+published",
    }


def _take(opened: Any, address: str, shot: str, path: str, only: list[str]) -> None:
    if only and not any(shot.startswith(name) for name in only):
        return
    for label, width in WIDTHS.items():
        for dark in (False, True) if label == "wide" else (False,):
            page = page_of(opened, width, dark=dark)
            page.goto(f"{address}/{path}", wait_until="commit")
            settled(page)
            file = FOLDER / f"{shot}-{label}{'-dark' if dark else ''}.png"
            # The page scrolls inside a box: it is photographed as high as its content.
            height = page.evaluate(
                "document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight"
            )
            page.set_viewport_size({"width": width, "height": min(int(height) + 40, 6000)})
            settled(page)
            page.screenshot(path=file)
            page.context.close()
            print(file)


def _wait(condition: Any) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"Nothing happened for {_WAIT_SECONDS} s.")
        time.sleep(0.2)


if __name__ == "__main__":
    main(sys.argv[1:])
