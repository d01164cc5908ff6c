"""Score, pick the lowest, fix them, evaluate: every method is a choice of these parts."""
