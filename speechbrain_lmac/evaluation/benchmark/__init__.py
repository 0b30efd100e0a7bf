"""The benchmark: explainers compared on the same clips."""
