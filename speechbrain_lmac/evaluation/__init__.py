"""Scores of explainers and classifiers."""
