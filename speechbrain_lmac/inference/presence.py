"""Thresholds of the presence, ``AudioClassifier.presence``: whether a sound occurs in a clip."""

MIN_PRESENCE = 0.05
"""Presence below which a prompt is absent."""
LIKELY = 0.5
"""Probability above which a prompt counts as recognized."""
