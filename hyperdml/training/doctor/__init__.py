"""`hyperdml doctor`: what a machine has to offer, and what would go wrong on it, before anything long begins."""
