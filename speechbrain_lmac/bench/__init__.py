"""The bench: every explainer, every metric, controls, ground truth."""
