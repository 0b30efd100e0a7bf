"""``speechbrain-lmac ratings``: evaluate the ratings of blind pages."""

from typing import Annotated

from typer import Argument, Option

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac ratings ratings*.csv --keys test1.key.json test2.key.json
"""


def run(
    files: Annotated[list[str], Argument(metavar="CSV", help="Files that blind pages saved.")],
    keys: Annotated[list[str], Option(metavar="JSON...", help="Key files of the pages.")],
    json: Annotated[bool, Option("--json", help="Print one JSON object per method.")] = False,
) -> int:
    """Print mean ranks of explainers with 95 % intervals over raters."""
    from speechbrain_lmac.evaluation.ratings import mean_ranks, read_ratings

    ranks = mean_ranks(read_ratings(files, keys))
    if json:
        print(ranks.to_json(orient="records", lines=True).strip())
        return 0
    print(ranks.round(2).to_markdown(index=False))
    print("Rank 1 is best. Intervals are over raters; with few raters they are unreliable.")
    return 0
