"""Arms trained with the same seeds and compared in pairs, from a ledger that any interruption leaves whole."""

from hyperdml.training.compare.arms import Arm, Job, plan
from hyperdml.training.compare.comparison import ArmSummary, Comparison
from hyperdml.training.compare.ledger import Record
from hyperdml.training.compare.loop import compare
from hyperdml.training.compare.runs import Trainer

__all__ = ["Arm", "ArmSummary", "Comparison", "Job", "Record", "Trainer", "compare", "plan"]
