"""Files, settings, devices, downloads: what every room uses."""
