"""Warnings about sounds and explanations that are hard to trust."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from speechbrain_lmac.inference.presence import LIKELY
from speechbrain_lmac.utils.percent import percent

QUIET_PEAK, LOUD_PEAK = 2e-3, 4.0
"""Peaks below and above which a sound is very quiet, or very loud."""
NEARLY_SILENT_DB = -30
"""Level relative to the clip below which an explanation is nearly silent."""


def level_warnings(wav: torch.Tensor) -> list[str]:
    """Return a warning if the level of a sound ``[time]`` is far from the training data."""
    peak = (wav - wav.mean()).abs().max().item()
    if QUIET_PEAK <= peak <= LOUD_PEAK:
        return []
    level = 20 * math.log10(max(peak, 1e-12))
    remedy = "quiet. Amplify it" if peak < QUIET_PEAK else "loud. Scale it to full scale 1"
    return [f"the sound (peak {level:+.0f} dB of full scale) is very {remedy}"]


def interpretation_warnings(interpretation: Any) -> list[str]:
    """Return the warnings of an interpretation.

    Arguments
    ---------
    interpretation : Interpretation
        Explanations to check.

    Returns
    -------
    list of str
        Empty if there is nothing to warn of.
    """
    classifier = interpretation.model.classifier.audio_classifier
    taken_for = classifier.unfamiliar(interpretation.prompts)
    found = [*level_warnings(interpretation.original), *unfamiliar_warnings(taken_for)]
    for i in interpretation.explained.nonzero().flatten().tolist():
        prompt = interpretation.prompts[i]
        found.extend(f"“{prompt}”: {warning}" for warning in _prompt_warnings(interpretation, i))
    highest = interpretation.probabilities.max()
    if len(interpretation.prompts) > 1 and highest < LIKELY and interpretation.against is None:
        best = interpretation.prompts[interpretation.target]
        kind = interpretation.words.one
        chance = percent(highest.item())
        found.append(f"the classifier is uncertain: its best {kind}, “{best}”, has {chance}")
    return found


def timeline_warnings(timeline: Any) -> list[str]:
    """Return the warnings of a timeline: prompts that are unknown, or absent everywhere."""
    absent_everywhere = [
        f"“{prompt}”: absent everywhere, so its explanation is nearly silent"
        for prompt, absent in zip(timeline.prompts, timeline.absent.tolist())
        if absent
    ]
    return [*unfamiliar_warnings(timeline.taken_for), *absent_everywhere]


def unfamiliar_warnings(taken_for: Mapping[str, str]) -> list[str]:
    """Return a warning about each prompt that the classifier does not know.

    Arguments
    ---------
    taken_for : dict
        Prompt -> label that the classifier takes it for.

    Returns
    -------
    list of str

    Example
    -------
    >>> unfamiliar_warnings({"Strix aluco": "Owl"})
    ['“Strix aluco”: the classifier does not know this phrase and takes it for “Owl”']
    """
    return [
        f"“{prompt}”: the classifier does not know this phrase and takes it for “{label}”"
        for prompt, label in taken_for.items()
    ]


def _prompt_warnings(interpretation: Any, i: int) -> Iterator[str]:
    """Yield the warnings about prompt ``i``."""
    scores = {name: values[i].item() for name, values in interpretation.scores.items()}
    against, absent = interpretation.against, interpretation.absent[i]
    presence, shown = interpretation.words.presence, {n: percent(v) for n, v in scores.items()}
    if not interpretation.contrast_holds[i]:
        yield (
            f"its explanation favors “{against}” ({percent(1 - scores['probability_masked_in'])}), "
            "so it means nothing and has no regions"
        )
    elif absent:
        yield (
            f"probably absent ({presence} {shown['presence']}). Its explanation is faded out "
            "and may be meaningless"
        )
    elif against is None and scores["presence"] < interpretation.min_presence:
        yield (
            f"probably hidden by other sounds ({presence} {shown['presence']} in the clip, "
            f"{shown['presence_masked_in']} masked-in)"
        )
    elif against is None and scores["presence_masked_out"] > LIKELY:
        yield f"still present when masked-out ({shown['presence_masked_out']})"
    elif against is not None and scores["probability_masked_out"] > LIKELY:
        yield f"still more probable when masked-out ({shown['probability_masked_out']})"
    level = interpretation.level_db[i].item()
    if level < NEARLY_SILENT_DB:
        yield f"its explanation is nearly silent ({level:.0f} dB relative to the clip)"
