"""Training of classifiers over a taxonomy: configuration, losses, steps, run, report."""
