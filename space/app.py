"""A Hugging Face Space of the demo; here: ``python space/app.py``."""

from speechbrain_lmac.cli.web import launch

launch()
