"""From counts to numbers: rates, gaps, their uncertainty, trade-offs."""
