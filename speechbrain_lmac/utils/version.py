"""Version of the package, as ``setup.py`` reads it."""

VERSION = "0.1.0"
