"""Captions as files: Markdown prints what a task is called, and LaTeX has what is to be loaded."""

from dataclasses import replace

from sapo_analysis.paper.caption_files import caption_files
from sapo_analysis.paper.figures import every_figure
from sapo_analysis.paper.tables import every_table


def test_markdown_prints_texts_from_outside_as_they_are(study_numbers):
    made = next(iter(every_table(study_numbers, ["correlations"])))
    named = replace(made.spec.caption, shows="Of *b* <script> [c](d) `e` | f")
    made = replace(made, spec=replace(made.spec, caption=named))
    said = caption_files(study_numbers, [], [made])["captions.md"]
    assert said.startswith("# Caption drafts\n\n## correlations\n\n")
    assert r"Of \*b\* \<script\> \[c\](d) \`e\` \| f." in said


def test_tables_over_pages_come_last_with_what_they_need(study_numbers):
    made = [one for one in every_table(study_numbers) if one.kind.name in ("prompts", "settings")]
    assert [one.kind.name for one in made] == ["prompts", "settings"]
    lines = caption_files(study_numbers, [], made, tables_in="t/")["captions.tex"].splitlines()
    assert r"\usepackage{graphicx,booktabs,array,longtable}" in lines[1]
    at = lines.index(r"\input{t/prompts}")
    assert lines.index(r"\input{t/settings}") < at and r"\onecolumn" in lines[at - 1]


def test_captions_speak_of_what_was_drawn(study_numbers):
    made = list(every_figure(study_numbers, ["impact_scatter"]))
    whole = caption_files(study_numbers, made, [])
    less = caption_files(study_numbers, made, [], without=("slope",))
    for name in ("captions.md", "captions.tex"):
        assert "Line and band" in whole[name] and "Line and band" not in less[name]
