"""How good a model is, against the best that is possible."""

from spivae.evaluation.bound import Bound, Mean, measure
from spivae.evaluation.comparison import Comparison, compare
from spivae.evaluation.report import Evaluation, evaluate

__all__ = ["Bound", "Comparison", "Evaluation", "Mean", "compare", "evaluate", "measure"]
