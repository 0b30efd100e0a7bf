"""Listening test: one clip under several explainers, all at the same mask area.

:mod:`~speechbrain_lmac.evaluation.comparison_page` writes the page.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from speechbrain_lmac.evaluation.protocols import InterpreterLike
from speechbrain_lmac.evaluation.scoring import ClassPrompts, EvaluationBatch, explain, make_batch
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.metrics.smallest_areas import smallest_areas
from speechbrain_lmac.metrics.top_k import top_k_mask
from speechbrain_lmac.reports.players import Axis, ClipRenderer, Player
from speechbrain_lmac.utils.errors import InputError

METHODS = (
    *("lmac", "integrated-gradients", "smoothgrad", "input-x-gradient", "gradcam", "gradcam++"),
    *("gscorecam", "energy", "random"),
)
"""Methods that are compared by default. ScoreCAM and the optimized mask take minutes."""
FRACTION = 0.2
"""Mask area of every method, as a fraction of the T-F bins."""


def default_methods(model: MaskNetwork) -> tuple[str, ...]:
    """Return ``METHODS``, without the trained decoder if there is none."""
    return METHODS if isinstance(model, InterpreterNetwork) else METHODS[1:]


class Take(NamedTuple):
    """The masked-in sound of one method."""

    name: str
    """Name of the method, or a letter that hides it."""
    player: Player
    presence: float | None
    """Presence probability of the prompt in the sound. None if names are hidden."""
    sufficient_area: float | None = None
    """Smallest area of the method's ranking that suffices for the decision. None if the prompt does
    not lead in the clip, or names are hidden."""


class Comparison(NamedTuple):
    """A clip under several explainers."""

    name: str
    """Name of the clip."""
    prompt: str
    original: Player
    takes: list[Take]
    axis: Axis


def compare(
    interpreter: InterpreterLike,
    wav: torch.Tensor,
    name: str,
    prompt: str,
    methods: Sequence[str] = METHODS,
    fraction: float = FRACTION,
) -> Comparison:
    """Render the masked-in sound of every method for one clip and prompt.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter whose classifier is explained. The method ``lmac`` is its decoder.
    wav : torch.Tensor
        Waveform at the sample rate of the interpreter, ``[time]``.
    name : str
        Name of the clip.
    prompt : str
        Prompt to explain.
    methods : sequence of str
        Names of :data:`~speechbrain_lmac.explainers.EXPLAINERS`. Default: ``METHODS``.
    fraction : float
        Mask area of every method, as a fraction of the T-F bins. Default: 0.2.

    Returns
    -------
    Comparison
    """
    if unknown := [name for name in methods if name not in METHODS]:
        raise InputError(f"methods must be from {', '.join(METHODS)}, got {unknown[0]!r}")
    if not set(methods) <= set(default_methods(interpreter.model)):
        raise InputError("methods must not have lmac, because there is no trained decoder")
    model, classifier = interpreter.model, interpreter.model.classifier
    audio_classifier = classifier.audio_classifier
    encoded = classifier.encode_clips(wav.unsqueeze(0).to(interpreter.device))
    query = audio_classifier.queries([prompt])
    prompts = ClassPrompts((prompt,), audio_classifier.competing_queries(query))
    batch = make_batch(model, [prompt], encoded, prompts, query.new_zeros(1).long())
    renderer = ClipRenderer(audio_classifier, wav)
    original = renderer.player("The clip", wav, "the clip")
    sounds = []
    for method in methods:
        ranks = explain(model, EXPLAINERS[method], batch).ranks
        sound = classifier.apply_mask(encoded, top_k_mask(ranks, fraction))[0].detach().cpu()
        player = renderer.player(method, sound, f"masked-in sound of {method}")
        vector = audio_classifier(sound.unsqueeze(0).to(interpreter.device)).vector
        presence = audio_classifier.presence(vector, query).item()
        sounds.append(Take(method, player, presence, sufficient_area(model, batch, ranks)))
    return Comparison(name, prompt, original, sounds, renderer.axis)


@torch.no_grad()
def sufficient_area(
    model: MaskNetwork, batch: EvaluationBatch, ranks: torch.Tensor
) -> float | None:
    """Return the smallest area of a ranking whose sound suffices for the decision.

    Arguments
    ---------
    model : MaskNetwork
        Model that is explained.
    batch : EvaluationBatch
        Batch of one clip and its prompt.
    ranks : torch.Tensor
        Ranks of the bins, ``[1, frames, bins]``.

    Returns
    -------
    float or None
        Area as a fraction of the encoded bins. None if the prompt does not lead in the clip.
    """
    classifier, encoded = model.classifier, batch.encoded
    classes = classifier.competing(batch.prompts.embeddings)
    query = batch.prompts.embeddings[batch.target]

    def leads(top: torch.Tensor, removed: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        sounds = classifier.apply_mask(encoded, top[:1])
        sounds = torch.where(removed.unsqueeze(1), encoded.wavs - sounds, sounds)
        vectors = classifier.audio_classifier(sounds).vector
        return classes.leads(vectors, query[index], batch.target[index])

    leading = classes.leads(encoded.encoding.vector, query, batch.target)
    num_bins = int(classifier.grid(encoded).valid.sum())
    area = smallest_areas(ranks, num_bins, leads, leading).sufficient.item()
    return area if area <= 1 else None  # NaN if the prompt does not lead
