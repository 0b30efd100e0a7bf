"""Interpreters as Hugging Face Hub repositories."""
