"""A Hugging Face Space of the demo; here: ``python space/app.py``."""

from speechbrain_lmac.web import launch

launch()
