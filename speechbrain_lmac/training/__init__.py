"""The training run of an interpreter."""
