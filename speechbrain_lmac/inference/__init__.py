"""Explanations of clips and recordings by a trained interpreter."""
