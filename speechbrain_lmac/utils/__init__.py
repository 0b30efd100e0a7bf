"""Files, settings, devices, downloads and errors: used by all other packages."""
