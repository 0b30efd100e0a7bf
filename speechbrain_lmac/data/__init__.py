"""Datasets, manifests and the sounds we make ourselves."""
