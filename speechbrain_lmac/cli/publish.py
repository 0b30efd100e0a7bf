"""``speechbrain-lmac publish``: a trained interpreter to the Hugging Face Hub."""

from pathlib import Path

HELP = "put a trained interpreter on the Hugging Face Hub"
EXAMPLES = """\
examples:
  speechbrain-lmac publish results/lmac_zs/stft/1986 --repo me/lmac-zs-dogs --dry-run
  HF_TOKEN=... speechbrain-lmac publish results/lmac_zs/stft/1986 --repo me/lmac-zs-dogs
"""


def add_arguments(parser):
    """What may follow the command's name."""
    add = parser.add_argument
    add("results", metavar="RESULTS", help="results folder of train.py")
    add("--repo", required=True, metavar="USER/NAME", help="made if it is not there")
    add("--license", metavar="ID", help="of the decoder, by the Hub's names: cc-by-4.0, mit ...")
    add("--private", action="store_true", help="nobody else may see it")
    add("--dry-run", action="store_true", help="write the folder, send nothing")
    add("--output", metavar="FOLDER", help="default: hub/ in the results folder")


def run(options):
    """Do it; the exit status."""
    from speechbrain_lmac.cli.batch import quietly
    from speechbrain_lmac.publishing.repository import push, write_repository

    quietly()
    folder = Path(options.output) if options.output else Path(options.results) / "hub"
    write_repository(options.results, options.repo, folder, options.license)
    print(f"written: {folder}")
    if not options.dry_run:
        print(push(folder, options.repo, options.private))
    return 0
