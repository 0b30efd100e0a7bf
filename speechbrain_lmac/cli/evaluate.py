"""``speechbrain-lmac evaluate``: compare explainers."""

from typer import Context

from speechbrain_lmac.cli.command import WORDS

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac evaluate evaluate.yaml --maskings "[mel]"
  speechbrain-lmac evaluate evaluate.yaml --data_folder ESC-50-master --classes present
"""


def run(context: Context) -> int:
    """Compare explainers at equal mask area.

    HPARAMS is a YAML file of yours or one of the package, such as evaluate.yaml. Each setting of
    the file is a --KEY. The same command resumes an interrupted run.
    """
    from speechbrain_lmac.evaluation.benchmark.run import main

    main(context.args, ["speechbrain-lmac", "evaluate", *context.meta[WORDS]])
    return 0
