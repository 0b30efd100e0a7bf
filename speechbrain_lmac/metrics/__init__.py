"""Metrics of explanations, and their statistics."""
