"""The launch form without its page: what it holds, the study that makes, what keeps it from one.

Pure: no Streamlit, no files but those that specs, models and prompts are read from, no engine.
"""

from sapo_analysis.app.launching.advanced import SECTIONS, Setting, settings_of
from sapo_analysis.app.launching.checking import (
    Checked,
    Problem,
    check,
    files_of,
    run_command,
    same_study,
    to_yaml,
)
from sapo_analysis.app.launching.figures import Figures, figures_of
from sapo_analysis.app.launching.start import (
    QUESTIONS,
    SIZES,
    Changes,
    Start,
    of_race,
    of_run,
    of_size,
    size_words,
)

__all__ = [
    "QUESTIONS",
    "SECTIONS",
    "SIZES",
    "Changes",
    "Checked",
    "Figures",
    "Problem",
    "Setting",
    "Start",
    "check",
    "files_of",
    "figures_of",
    "of_race",
    "of_run",
    "of_size",
    "run_command",
    "same_study",
    "settings_of",
    "size_words",
    "to_yaml",
]
