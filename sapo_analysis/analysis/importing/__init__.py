"""Results made by other tools become a run: read, checked to the last row, written whole.

Nothing is guessed: a number that is missing, there twice, out of range or in contradiction to
another one is refused with the rows it stands in, and then nothing is written.
"""

from sapo_analysis.analysis.importing.columns import OPTIONAL, REQUIRED
from sapo_analysis.analysis.importing.released import import_released
from sapo_analysis.analysis.importing.results import TEMPLATE, import_results

__all__ = ["OPTIONAL", "REQUIRED", "TEMPLATE", "import_released", "import_results"]
