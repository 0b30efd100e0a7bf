"""Web app of a Hugging Face Space. It also runs locally: ``python space/app.py``."""

from speechbrain_lmac.cli.web import launch

launch()
