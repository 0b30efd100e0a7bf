"""``speechbrain-lmac train``: train an interpreter."""

from typing import Annotated

from typer import Context, Option

from speechbrain_lmac.cli.command import WORDS

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac train --on sounds
  speechbrain-lmac train lmac_zs.yaml
  speechbrain-lmac train lmac_zs.yaml --masking mel --data_folder ESC-50-master --seed 1
"""


def run(
    context: Context,
    on: Annotated[
        str | None,
        Option(
            metavar="FOLDER",
            help="Train for about 20 minutes on these sounds, from the pretrained decoder of "
            "MiniCLAP, and compare the decoder before and after. A folder with one subfolder per "
            "class, or a CSV file of path,label. Takes the place of HPARAMS.",
        ),
    ] = None,
) -> int:
    """Train an interpreter for an audio classifier.

    HPARAMS is a YAML file of yours or one of the package: lmac_zs.yaml (MiniCLAP),
    lmac_zs_laion.yaml, lmac_zs_microsoft.yaml and others. Each setting of the file is a --KEY. The
    same command resumes an interrupted run.
    """
    from speechbrain_lmac.training.train import main

    command = ["speechbrain-lmac", "train", *context.meta[WORDS]]
    if on is None:
        main(context.args, command)
        return 0
    from speechbrain_lmac.training.improvement import report_improvement
    from speechbrain_lmac.training.preset import preset_for

    preset = preset_for(on, context.args)
    print(preset.description)
    main(preset.arguments, command, report_improvement)
    return 0
