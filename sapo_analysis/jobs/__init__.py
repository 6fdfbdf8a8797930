"""Starting work, following and stopping it, and short questions to the engine.

Never trains, never imports torch. The reading wing meets the engine here and nowhere else: it
starts `python -m sapo_analysis.worker` and reads what that process wrote. A study runs in the
foreground (`run_study`) or detached (`launch`): then it waits in the queue of its runs folder for
its device, and goes on whatever becomes of the page or terminal that it was launched from.
"""

from sapo_analysis.jobs.asking import probe
from sapo_analysis.jobs.background import keep_going, launch, resume, set_going
from sapo_analysis.jobs.engine_process import INSTALL_ENGINE, missing_engine_packages
from sapo_analysis.jobs.foreground import (
    Progress,
    StudyInterrupted,
    continue_run,
    run_study,
)
from sapo_analysis.jobs.queue import Waiting, ahead_of, move_first, waiting
from sapo_analysis.jobs.stop import cancel_run, finish_group

__all__ = [
    "INSTALL_ENGINE",
    "Progress",
    "StudyInterrupted",
    "Waiting",
    "ahead_of",
    "cancel_run",
    "continue_run",
    "finish_group",
    "keep_going",
    "launch",
    "missing_engine_packages",
    "move_first",
    "probe",
    "resume",
    "run_study",
    "set_going",
    "waiting",
]
