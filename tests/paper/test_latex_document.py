"""What the check of LaTeX documents finds in a log."""

import pytest

from tests.paper.latex_document import problems_of


@pytest.mark.parametrize(
    ("log", "problems"),
    [
        ("Overfull \\hbox (11.2pt too wide) in paragraph at lines 1--2", 1),
        ("Overfull \\hbox (0.9pt too wide) in paragraph at lines 1--2", 0),
        ("Overfull \\vbox (40.0pt too high) has occurred while \\output is active", 0),
        ("LaTeX Warning: Float too large for page by 29.8pt on input line 431.", 1),
        ("LaTeX Warning: Citation `holm1979' on page 3 undefined on input line 9.", 1),
        ("LaTeX Warning: Reference `tab:x' on page 3 undefined on input line 9.", 1),
        ("LaTeX Warning: Label `tab:x' multiply defined.", 1),
        ("Missing character: There is no \u5fd8 in font ptmr8t!", 1),
        ("Output written on paper.pdf (47 pages).", 0),
    ],
)
def test_problems_of_a_log(log, problems):
    assert len(problems_of(log)) == problems
