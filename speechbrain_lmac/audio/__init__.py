"""Audio files, sources, spectrograms, overlap-add and mixing."""
