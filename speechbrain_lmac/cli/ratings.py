"""``speechbrain-lmac ratings``: what people preferred who did not know the names."""

HELP = "mean ranks and intervals of what blind pages collected"
EXAMPLES = """\
examples:
  speechbrain-lmac ratings ratings*.csv --keys test1.key.json test2.key.json
"""


def add_arguments(parser):
    """What may follow the command's name."""
    add = parser.add_argument
    add("files", nargs="+", metavar="CSV", help="that blind pages saved")
    add("--keys", nargs="+", required=True, metavar="JSON", help="of the pages")
    add("--json", action="store_true", help="print a JSON object for each method")


def run(options):
    """Do it; the exit status."""
    from speechbrain_lmac.evaluation.listening_test import read_ratings
    from speechbrain_lmac.evaluation.ratings import mean_ranks

    ranks = mean_ranks(read_ratings(options.files, options.keys))
    if options.json:
        print(ranks.to_json(orient="records", lines=True).strip())
        return 0
    print(ranks.round(2).to_markdown(index=False))
    print("Rank 1 is best; 95 % intervals over raters: of few raters they say little.")
    return 0
