"""A read-only report for reviewers: one HTML file that opens from a folder, without a network.

static_report(numbers_of([open_run(...)]))

`head` says what is asked and answered, `claims`, `figures`, `tables` and `prompts` hold what it
rests on, `sources` how to check it; `page` writes all of it through the templates in `data/html`.
Nothing here computes a number.
"""

from sapo_analysis.paper.html.report import LARGEST_BYTES, static_report

__all__ = ["LARGEST_BYTES", "static_report"]
