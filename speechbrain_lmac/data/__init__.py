"""Datasets, prompts and synthetic sounds."""
