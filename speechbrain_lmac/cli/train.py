"""``speechbrain-lmac train``: train an interpreter."""

from typer import Context

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac train lmac_zs.yaml
  speechbrain-lmac train lmac_zs.yaml --masking mel --data_folder ESC-50-master --seed 1
"""


def run(context: Context) -> int:
    """Train an interpreter for an audio classifier.

    HPARAMS is a YAML file of yours or one of the package: lmac_zs.yaml (MiniCLAP),
    lmac_zs_laion.yaml, lmac_zs_microsoft.yaml and others. Each setting of the file is a --KEY. The
    same command resumes an interrupted run.
    """
    from speechbrain_lmac.training.train import main

    main(context.args)
    return 0
