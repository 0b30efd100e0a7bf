"""Classifiers without text."""
