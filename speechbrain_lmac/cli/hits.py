"""``speechbrain-lmac hits``: tables of the hits of a job of ``explain-many``."""

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from speechbrain_lmac.cli.hit_clips import none_found, write_hit_clips
from speechbrain_lmac.cli.options import MinDuration, check_seconds
from speechbrain_lmac.utils.errors import InputError, printable

if TYPE_CHECKING:
    from speechbrain_lmac.bulk.store import Store

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac hits out --prompt rain --above 0.5 --csv --to rain.csv
  speechbrain-lmac hits out --prompt rain --raven --to rain.selections.txt
  speechbrain-lmac hits out --prompt rain --report --to rain.html
  speechbrain-lmac hits out --prompt rain --clips rain
"""


def run(
    output: Annotated[str, Argument(metavar="OUT", help="Output folder or URL of the job.")],
    prompt: Annotated[
        str | None, Option(metavar="TEXT", help="Prompt of the hits. Default: all prompts.")
    ] = None,
    above: Annotated[
        float, Option(metavar="X", min=0, max=1, help="Smallest presence of a hit.")
    ] = 0.5,
    as_csv: Annotated[
        bool, Option("--csv", help="One row per stretch and prompt, as CSV. This is the default.")
    ] = False,
    regions: Annotated[bool, Option("--regions", help="One row per region, as CSV.")] = False,
    raven: Annotated[
        bool, Option("--raven", help="Selection table for Raven, over all files.")
    ] = False,
    report: Annotated[
        bool,
        Option("--report", help="HTML page with the 200 hits of highest presence, and sounds."),
    ] = False,
    clips: Annotated[
        str | None,
        Option(
            metavar="FOLDER",
            help="Write each region as a clip of the original file to a folder, as explain --clips "
            "does.",
        ),
    ] = None,
    merge_gap: Annotated[
        float,
        Option(
            metavar="S",
            min=0.3,
            callback=check_seconds,
            help="Longest gap between two regions that are merged, in seconds, for --regions, "
            "--raven and --clips.",
        ),
    ] = 0.3,
    min_duration: MinDuration = 0.0,
    to: Annotated[
        str | None,
        Option(metavar="FILE", help="File to write. Default: standard output, or hits.html."),
    ] = None,
) -> int:
    """Print the hits of a job: where each prompt is present.

    A region that crosses two stretches of a recording is one region. Times are seconds of the file.
    --min-duration and --merge-gap concern --regions, --raven and --clips.
    """
    if as_csv + regions + raven + report + (clips is not None) > 1:
        raise InputError(
            "--csv, --regions, --raven, --report and --clips must be given one at a time"
        )
    if clips is not None and to is not None:
        raise InputError("--to must be given without --clips, which takes a folder")
    from speechbrain_lmac.bulk import tables
    from speechbrain_lmac.bulk.store import open_store

    store = open_store(output)
    tables.check_prompt(store, prompt)
    if clips is not None:
        return write_hit_clips(store, prompt, above, (merge_gap, min_duration), Path(clips))
    if report:
        return write_page(store, prompt, above, to or "hits.html")
    if raven or regions:
        kind = tables.raven_rows if raven else tables.region_rows
        rows = kind(store, prompt, above, merge_gap, min_duration)
        notice = none_found("regions", prompt, above, min_duration)
    else:
        rows = tables.hit_rows(store, prompt, above)
        notice = none_found("hits", prompt, above)
    write(with_notice(rows, notice), "\t" if raven else ",", to)
    return 0


def write_page(store: "Store", prompt: str | None, above: float, path: str) -> int:
    """Write a report and print its path; a notice on standard error says that it has no hits."""
    from speechbrain_lmac.bulk.hit_report import write_report
    from speechbrain_lmac.reports.page import check_page

    check_page(path)
    if not write_report(path, store, prompt, above):
        print(printable(none_found("hits", prompt, above)), file=sys.stderr)
    print(path)
    return 0


def with_notice(rows: Iterable[list[Any]], notice: str) -> Iterator[list[Any]]:
    """Yield a header and rows, and print a notice on standard error if there are no rows."""
    number = 0
    for number, row in enumerate(rows):  # noqa: B007 - the last number is that of the rows
        yield row
    if not number:
        print(printable(notice), file=sys.stderr)


def write(rows: Iterable[list[Any]], delimiter: str, path: str | None) -> None:
    """Write rows to a file, or to standard output; InputError if the file is the user's own."""
    from speechbrain_lmac.utils.files import check_writable
    from speechbrain_lmac.utils.ownership import owned_file
    from speechbrain_lmac.utils.tables import write_csv

    if path is None:
        csv.writer(sys.stdout, delimiter=delimiter, lineterminator="\n").writerows(rows)
    else:
        check_writable(path)
        write_csv(path, rows, delimiter, owned_file)
