"""Sound files, short-time Fourier transforms, overlap-add, mixing."""
