"""The hyperparameter files, also when the package is installed without its repository."""

from importlib.resources import files


def path_of(name):
    """Path of a hyperparameter file, ``lmac_zs.yaml`` for instance."""
    return files(__name__) / name
