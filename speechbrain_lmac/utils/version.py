"""Version of the package; ``setup.py`` reads it from this file."""

VERSION = "0.1.0"
