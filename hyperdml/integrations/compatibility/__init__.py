"""Which losses and miners of the installed pytorch-metric-learning work with points of the ball: tried, not looked up.

`python -m hyperdml.integrations.compatibility` prints the tables of docs/pytorch_metric_learning.md for the installed
version; with the name of a file it writes them into it.
"""
