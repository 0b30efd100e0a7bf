"""Pairs of clips that may be mixed."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.utils.errors import InputError

Groups = dict[tuple[str, str], list[Clip]]
"""Clips by recording and class."""


def may_mix(clip: Clip, other: Clip) -> bool:
    """Whether two clips have different recordings, and different classes if they have labels."""
    same_class = clip.label and other.label == clip.label
    return not same_class and other.src_file != clip.src_file


def pair_clips(clips: Sequence[Clip], rng: random.Random) -> list[tuple[Clip, Clip]]:
    """Pair clips of different classes and recordings, each clip once.

    Confidence intervals treat mixtures that share a recording as one cluster. Clips of one
    recording are therefore paired with clips of one other recording where possible. Among these
    recordings, one of the class that was paired least often is taken.

    Arguments
    ---------
    clips : sequence of Clip
        Clips with labels. If their number is odd, one is left out.
    rng : random.Random
        Random number generator; another state gives other pairs.

    Returns
    -------
    list of tuple of Clip

    Raises
    ------
    InputError
        If the clips cannot all be paired, because one class has more than half of them.
    """
    groups: Groups = {}
    for clip in rng.sample(sorted(clips), len(clips)):
        groups.setdefault((clip.src_file, clip.label), []).append(clip)
    pairs: list[tuple[Clip, Clip]] = []
    num_pairs: Counter[frozenset[str]] = Counter()
    while sum(map(len, groups.values())) > 1:
        first, second = _next_groups(groups, num_pairs)
        for _ in range(min(len(first), len(second))):
            pair = first.pop(), second.pop()
            num_pairs[frozenset(clip.label for clip in pair)] += 1
            pairs.append(pair)
        groups = {key: group for key, group in groups.items() if group}
    return pairs


def _next_groups(
    groups: Groups, num_pairs: Counter[frozenset[str]]
) -> tuple[list[Clip], list[Clip]]:
    """Two groups whose clips are paired next."""
    counts = _count_by_label(groups.values())
    largest = max(counts.values())
    first = max((g for g in groups.values() if counts[g[0].label] == largest), key=len)
    others = [group for group in groups.values() if may_mix(first[0], group[0])]
    if not others:
        raise InputError(f"no clip can be mixed with {first[0].ID}: too many are of its class")
    label = first[0].label
    second = min(
        others,
        key=lambda group: (
            abs(len(group) - len(first)),
            num_pairs[frozenset((label, group[0].label))],
            -counts[group[0].label],
        ),
    )
    return first, second


def _count_by_label(groups: Iterable[list[Clip]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for group in groups:
        counts[group[0].label] += len(group)
    return counts
