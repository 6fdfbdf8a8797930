"""Training on texts as they are and perturbed: what is added to embeddings, or put for tokens.

PTP, perturbation-based regularization of prompt tuning (Chen et al. 2023, arXiv 2305.02423; methods
§10). The paper's abstract says that noise or an adversary perturbs the input, in embeddings or in
the text, so that the loss gets less steep. Objective and constants here are a reconstruction:

    (CE(x) + γ · CE(x perturbed)) / (1 + γ)

Divided by 1 + γ a loss keeps its size, so that a strength of zero is training without perturbation
at the same learning rate.
"""

from sapo_analysis.learning.perturbation.described import Perturbation
from sapo_analysis.learning.perturbation.perturber import Perturber
from sapo_analysis.learning.perturbation.places import Met, met_in_packed_rows, met_in_padded_rows

__all__ = ["Met", "Perturbation", "Perturber", "met_in_packed_rows", "met_in_padded_rows"]
