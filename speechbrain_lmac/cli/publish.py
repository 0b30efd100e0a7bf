"""``speechbrain-lmac publish``: upload a trained interpreter to the Hugging Face Hub."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac publish results/lmac_zs/stft/1986 --repo me/lmac-zs-dogs --dry-run
  HF_TOKEN=... speechbrain-lmac publish results/lmac_zs/stft/1986 --repo me/lmac-zs-dogs \\
    --license cc-by-4.0
"""


def run(
    results: Annotated[str, Argument(metavar="RESULTS", help="Results folder of 'train'.")],
    repo: Annotated[
        str, Option(metavar="USER/NAME", help="Hub repository, created if it does not exist.")
    ],
    license: Annotated[
        str | None,
        Option(
            metavar="ID",
            help="License of the decoder, as a Hub id: cc-by-4.0, mit ... Only a private "
            "repository or a dry run may leave it out.",
        ),
    ] = None,
    private: Annotated[
        bool, Option("--private", help="Create the repository as a private one.")
    ] = False,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Write the folder and upload nothing.")
    ] = False,
    output: Annotated[
        str | None, Option(metavar="FOLDER", help="Folder to write. Default: RESULTS/hub.")
    ] = None,
) -> int:
    """Upload a trained interpreter to the Hugging Face Hub."""
    from speechbrain_lmac.cli.inputs import silence_libraries
    from speechbrain_lmac.publishing.api import UNSTATED, check_stated
    from speechbrain_lmac.publishing.repository import write_repository
    from speechbrain_lmac.utils.hub_upload import push

    silence_libraries()
    if not dry_run:
        check_stated(license, private)
    folder = Path(output) if output else Path(results) / "hub"
    write_repository(results, repo, folder, license)
    print(f"written: {folder}")
    if license is None and not private:
        print(f"warning: {UNSTATED}", file=sys.stderr)
    if not dry_run:
        print(push(folder, repo, private))
    return 0
