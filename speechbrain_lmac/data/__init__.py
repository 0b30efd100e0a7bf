"""Manifests, data sets, labels, prompts, captions, contamination and training batches."""
