"""Threshold of probabilities: whether a sound is recognized."""

LIKELY = 0.5
"""Probability above which a prompt counts as recognized."""
