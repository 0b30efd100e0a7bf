"""Figures and web pages of explanations."""
