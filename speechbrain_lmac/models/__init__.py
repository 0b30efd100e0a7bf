"""Audio classifiers and what they are built of."""
