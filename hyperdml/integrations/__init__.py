"""The one place that imports pytorch-metric-learning: HIER as a loss and as a regulariser, losses by name."""

from hyperdml.integrations.hier_loss import HIERLoss
from hyperdml.integrations.hier_regularizer import HIERRegularizer
from hyperdml.integrations.metric_loss import create_metric_loss

__all__ = ["HIERLoss", "HIERRegularizer", "create_metric_loss"]
