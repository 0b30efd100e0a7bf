"""Mean ranks of methods that people have rated without knowing their names."""

import pandas as pd

from speechbrain_lmac.metrics.statistics import cluster_bootstrap_mean


def mean_ranks(rows):
    """Mean rank of each method with its 95 % interval over raters.

    Of each page that somebody rated (the last time, if twice) methods are ranked by the rating, 1
    for the best; ties share their mean rank. A rater's pages are alike, so whole raters are
    resampled.

    Arguments
    ---------
    rows : list of dict
        ``rater``, ``page``, ``method`` and ``rating``, higher is better.

    Returns
    -------
    pandas.DataFrame
        ``method``, ``mean rank``, ``low``, ``high``, ``mean rating``, ``ratings``, ``raters``,
        the best first.

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
