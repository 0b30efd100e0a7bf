"""Mean ranks of methods in a blind listening test."""

from collections.abc import Sequence

import pandas as pd

from speechbrain_lmac.metrics.statistics import cluster_bootstrap_mean


def mean_ranks(rows: Sequence[dict]) -> pd.DataFrame:
    """Compute the mean rank of each method with its 95 % interval over raters.

    The methods of each page are ranked by each rater, 1 for the best; ties get their mean rank. The
    last of several ratings counts. Pages of one rater are correlated, so the interval is over
    raters.

    Arguments
    ---------
    rows : list of dict
        Rows with ``rater``, ``page``, ``method`` and ``rating``; a higher rating is better.

    Returns
    -------
    pandas.DataFrame
        ``method``, ``mean rank``, ``low``, ``high``, ``mean rating``, ``ratings`` and ``raters``,
        the best first. The interval is Student's for fewer than 20 raters.

    Example
    -------
    >>> rows = [
    ...     {"rater": rater, "page": "p", "method": method, "rating": rating}
    ...     for rater in ("x", "y")
    ...     for method, rating in (("energy", 2), ("lmac", 5))
    ... ]
    >>> mean_ranks(rows)[["method", "mean rank", "low", "high"]].values.tolist()
    [['lmac', 1.0, 1.0, 1.0], ['energy', 2.0, 2.0, 2.0]]
    """
    frame = pd.DataFrame(rows).drop_duplicates(["rater", "page", "method"], keep="last")
    frame["rank"] = frame.groupby(["rater", "page"])["rating"].rank(ascending=False)
    lines = []
    for method, part in frame.groupby("method"):
        mean, low, high = cluster_bootstrap_mean(part["rank"], part["rater"])
        lines.append(
            {
                "method": method,
                "mean rank": mean,
                "low": low,
                "high": high,
                "mean rating": part["rating"].mean(),
                "ratings": len(part),
                "raters": part["rater"].nunique(),
            }
        )
    return pd.DataFrame(lines).sort_values("mean rank", ignore_index=True)
