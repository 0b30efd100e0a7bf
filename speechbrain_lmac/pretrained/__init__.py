"""An interpreter on disk or on the Hub: read, check, load, save."""
