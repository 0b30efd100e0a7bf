"""Pairing: which clips may be mixed with one another, and which are."""

from collections import Counter

from speechbrain_lmac.utils.errors import InputError


def may_mix(clip, other):
    """Are they of different recordings, and of different classes where they have any?"""
    alike = clip.label and other.label == clip.label
    return not alike and other.src_file != clip.src_file


def pair_clips(clips, rng):
    """Pair clips of different classes and recordings, each clip once.

    Recordings are paired as wholes where they can be, so that mixtures link few of them: what is
    linked counts once when intervals are drawn. Of those, with a class that was met least often.

    Arguments
    ---------
    clips : list of Clip
        With labels; of an odd number one is left out.
    rng : random.Random
        Another state, other pairs.

    Returns
    -------
    list of tuple of Clip

    Raises
    ------
    InputError
        If they cannot all be paired, for one class holds more than half of them.
    """
    groups: dict = {}
    for clip in rng.sample(sorted(clips), len(clips)):
        groups.setdefault((clip.src_file, clip.label), []).append(clip)
    drawn: list = []
    met: Counter = Counter()
    while sum(map(len, groups.values())) > 1:
        first = _choose(groups)
        others = {k: held for k, held in groups.items() if may_mix(first[0], held[0])}
        if not others:
            raise InputError(f"no clip to mix {first[0].ID} with: too many are of its class")
        counts, label = _by_label(groups), first[0].label
        second = min(
            others.values(),
            key=lambda held: (
                abs(len(held) - len(first)),
                met[frozenset((label, held[0].label))],
                -counts[held[0].label],
            ),
        )
        for _ in range(min(len(first), len(second))):
            pair = first.pop(), second.pop()
            met[frozenset(clip.label for clip in pair)] += 1
            drawn.append(pair)
        groups = {key: held for key, held in groups.items() if held}
    return drawn


def _choose(groups):
    """The largest recording of the class that most clips are left of."""
    counts = _by_label(groups)
    most = max(counts.values())
    return max((h for h in groups.values() if counts[h[0].label] == most), key=len)


def _by_label(groups):
    counts: Counter = Counter()
    for held in groups.values():
        counts[held[0].label] += len(held)
    return counts
