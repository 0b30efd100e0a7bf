"""Command line: ``speechbrain-lmac demo``, ``train``, ``evaluate``, ``zero-shot``."""

import sys

USAGE = """\
usage: speechbrain-lmac demo [FOLDER]           the main job on sounds it makes itself
       speechbrain-lmac train HPARAMS [--key value ...]
       speechbrain-lmac evaluate HPARAMS [--key value ...]
                                               compare explainers: evaluate.yaml
       speechbrain-lmac zero-shot --clap NAME --data_folder FOLDER [--prompts ...]
                                               how well a CLAP classifies a labelled set"""


def main():
    """Run the command that the arguments name."""
    command, *arguments = sys.argv[1:] or ["--help"]
    if command == "demo" and len(arguments) <= 1:
        from speechbrain_lmac.demo import main as demo

        demo(*arguments)
    elif command == "train" and arguments:
        from speechbrain_lmac.training import main as train

        train(arguments)
    elif command == "evaluate" and arguments:
        from speechbrain_lmac.bench.run import main as evaluate

        evaluate(arguments)
    elif command == "zero-shot":
        from speechbrain_lmac.zero_shot import main as zero_shot

        zero_shot(arguments)
    elif command in ("-h", "--help"):
        print(USAGE)
    else:
        print(USAGE, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
