"""Web app of a Hugging Face Space. It also runs locally: ``python space/app.py``."""

import os

from speechbrain_lmac.cli.web import launch

# A Space is reached by its own name, such as user-name.hf.space.
launch(allowed_hosts=[os.environ["SPACE_HOST"]] if "SPACE_HOST" in os.environ else [])
