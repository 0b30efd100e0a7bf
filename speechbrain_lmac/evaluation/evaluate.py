"""Evaluate explainers on sounds: ``evaluate_explainers`` returns all scores as one table."""

from collections.abc import Iterable, Mapping, Sequence, Sized
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from speechbrain_lmac.audio.io import fit_length, load_audio
from speechbrain_lmac.data.prompts import TEMPLATE
from speechbrain_lmac.evaluation.area_scores import score_areas
from speechbrain_lmac.evaluation.fill_scores import score_other_fills
from speechbrain_lmac.evaluation.long_format import Record, to_frame, to_records
from speechbrain_lmac.evaluation.protocols import HasModel
from speechbrain_lmac.evaluation.scoring import (
    ClassPrompts,
    explain,
    make_batch,
    score_faithfulness,
)
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.explainers.network import ExplainerNetwork
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import atomic_write

AVAILABLE_INPUTS = {"query", "seeds", "class_queries"}
"""Explainer inputs that any clip has. Other inputs need mixtures or a data set."""


Sounds = Sequence[str | Path] | Mapping[str, torch.Tensor] | torch.Tensor
"""Audio files; or waveforms ``[time]`` by clip ID, or one tensor ``[clips, time]``."""
Batch = tuple[Sequence[str], torch.Tensor] | tuple[Sequence[str], torch.Tensor, torch.Tensor | None]
"""Clip IDs, waveforms ``[batch, time]`` and, optionally, indices of the classes ``[batch]``."""


def evaluate_explainers(
    interpreter: MaskNetwork | HasModel,
    sounds: Sounds,
    class_names: Sequence[str],
    explainers: Sequence[str] | Mapping[str, Explainer] = ("lmac", "gradcam++", "energy", "random"),
    targets: Sequence[str] | None = None,
    fractions: Sequence[float] = TOP_K_FRACTIONS,
    clip_seconds: float = 5.0,
    templates: Sequence[str] = (TEMPLATE,),
    batch_size: int = 8,
    areas: bool = False,
    other_fills: bool = False,
) -> pd.DataFrame:
    """Score explainers on sounds: own masks, and binary masks of equal area.

    Arguments
    ---------
    interpreter : Interpreter or MaskNetwork
        Interpreter whose classifier is explained. The explainer ``lmac`` is its decoder. Without
        a decoder, it is the interpreter's explainer and is listed under that explainer's name.
    sounds : sequence of path, dict of torch.Tensor, or torch.Tensor
        Audio files; or waveforms ``[time]`` by clip ID, or one tensor ``[clips, time]``, at the
        sample rate of the classifier.
    class_names : sequence of str
        Classes that the sounds are scored against, such as the labels of a data set.
    explainers : sequence of str or dict
        Names of :data:`~speechbrain_lmac.explainers.EXPLAINERS`, or explainers by name. Default:
        ``lmac``, ``gradcam++``, ``energy`` and ``random``.
    targets : sequence of str
        Class to explain for each sound. Default: the prediction of the classifier.
    fractions : sequence of float
        Mask areas of the binary masks, as fractions of the T-F bins. Default: 5, 10, 20 and 40 %.
    clip_seconds : float
        Length that sounds are cut or padded to, in seconds. Default: 5.
    templates : sequence of str
        Prompt templates, whose mean embedding is used. Default: ``this is the sound of {}``.
    batch_size : int
        Clips per batch. It does not change the scores. Default: 8.
    areas : bool
        Whether to find the smallest sufficient and necessary area of each explanation, which takes
        about ten encoder passes. Default: False.
    other_fills : bool
        Whether AD, FF and Fid-In of the binary masks are also measured with the noise floor and
        the mean of each frequency bin in masked-out bins, as ``AD_noise_floor`` and ``AD_mean``.
        Default: False, silence only.

    Returns
    -------
    pandas.DataFrame
        Long format: ``method``, ``clip``, ``target``, ``metric``, ``fraction`` and ``value``. The
        fraction is NaN for scores of an explainer's own mask.

    Raises
    ------
    InputError
        If an explainer or a target is unknown, or a sound cannot be read.

    Example
    -------
    >>> from speechbrain_lmac import Interpreter, evaluate_explainers
    >>> interpreter = Interpreter.from_hparams("mini-mel", run_opts={"device": "cpu"})
    >>> noise = 0.1 * torch.randn(2, 32000, generator=torch.Generator().manual_seed(0))
    >>> scores = evaluate_explainers(
    ...     interpreter, noise, ["rain", "siren"], ["energy"], clip_seconds=1.0
    ... )
    >>> scores[(scores.metric == "AD") & (scores.fraction == 0.05)][["method", "clip"]]
        method clip
    ...
    """
    model = interpreter if isinstance(interpreter, MaskNetwork) else interpreter.model
    clap = model.classifier.audio_classifier
    clap.window.check_seconds(clip_seconds, clap.sample_rate)
    device = model.classifier.domain.positions.device
    prompts = ClassPrompts(
        tuple(class_names), clap.class_queries(list(class_names), list(templates))
    )
    clips = _load_sounds(sounds, clap.sample_rate, clip_seconds)
    indices = _target_indices(targets, prompts, len(clips))
    ids = list(clips)
    batches: list[Batch] = []
    for start in range(0, len(ids), batch_size):
        names = ids[start : start + batch_size]
        wavs = torch.stack([clips[name] for name in names]).to(device)
        target = None if indices is None else indices[start : start + batch_size].to(device)
        batches.append((names, wavs, target))
    chosen = choose_explainers(explainers, model)
    return evaluate(model, chosen, batches, prompts, fractions, areas, other_fills)


def choose_explainers(
    explainers: Sequence[str] | Mapping[str, Explainer], model: MaskNetwork
) -> dict[str, Explainer]:
    """Look up explainers that need no mixture or data set; raise InputError for any other.

    The explainer of a model without a decoder replaces another explainer of the same name.
    """
    if not isinstance(explainers, Mapping):
        unknown = [name for name in explainers if name not in EXPLAINERS]
        if unknown:
            raise InputError(f"explainers must be from {', '.join(EXPLAINERS)}, got {unknown[0]!r}")
        chosen = {name: EXPLAINERS[name] for name in explainers}
        if isinstance(model, ExplainerNetwork) and "lmac" in chosen:
            own = {model.name: chosen.pop("lmac")}
            chosen = {**own, **chosen, **own}
        explainers = chosen
    for name, explainer in explainers.items():
        missing = set(explainer.needs) - AVAILABLE_INPUTS
        if missing:
            raise InputError(
                f"explainer {name} needs {', '.join(sorted(missing))}, which only evaluate.py "
                "provides. Leave it out"
            )
    return dict(explainers)


def _load_sounds(sounds: Sounds, sample_rate: int, seconds: float) -> dict[str, torch.Tensor]:
    """Return waveforms of one length by clip ID."""
    if isinstance(sounds, torch.Tensor):
        sounds = {str(place): wav for place, wav in enumerate(sounds)}
    if not isinstance(sounds, Mapping):
        sounds = {str(path): load_audio(path, sample_rate) for path in sounds}
    return {name: fit_length(wav, round(seconds * sample_rate)) for name, wav in sounds.items()}


def _target_indices(
    targets: Sequence[str] | None, prompts: ClassPrompts, num_clips: int
) -> torch.Tensor | None:
    if targets is None:
        return None
    if len(targets) != num_clips or not set(targets) <= set(prompts.names):
        raise InputError(
            f"targets must be one of class_names for each of {num_clips} sounds, got "
            f"{list(targets)!r}"
        )
    return torch.tensor([prompts.names.index(target) for target in targets])


def evaluate(
    model: MaskNetwork,
    explainers: Mapping[str, Explainer],
    batches: Iterable[Batch],
    prompts: ClassPrompts,
    fractions: Sequence[float] = TOP_K_FRACTIONS,
    areas: bool = False,
    other_fills: bool = False,
) -> pd.DataFrame:
    """Score explainers on batches of waveforms.

    Arguments
    ---------
    model : MaskNetwork
        Model to explain.
    explainers : dict
        Name -> explainer.
    batches : iterable of tuple
        Clip IDs, waveforms ``[batch, time]`` and, optionally, the index of the class to explain
        ``[batch]`` (default: the prediction).
    prompts : ClassPrompts
        Classes that the clips are scored against.
    fractions : sequence of float
        Mask areas of the top-k masks. Default: ``TOP_K_FRACTIONS``.
    areas : bool
        Whether to find the smallest areas of the explanations. Default: False.
    other_fills : bool
        Whether to score other fills of masked-out bins than silence. Default: False.

    Returns
    -------
    pandas.DataFrame
        Long format, as :func:`evaluate_explainers` returns it.
    """
    records: list[Record] = []
    total = len(batches) if isinstance(batches, Sized) else None
    for ids, wavs, *target in tqdm(batches, "evaluating", total, unit="batch", dynamic_ncols=True):
        batch = make_batch(model, ids, model.classifier.encode_clips(wavs), prompts, *target)
        for name, explainer in explainers.items():
            attributions = explain(model, explainer, batch)
            scores = score_faithfulness(model, batch, attributions, fractions)
            if areas:
                scores.update(score_areas(model, batch, attributions))
            if other_fills:
                scores.update(score_other_fills(model, batch, attributions, fractions))
            new = to_records(batch.ids, batch.target_names, scores)
            records.extend({"method": name, **record} for record in new)
    return to_frame(records)


def write_scores(path: str | Path, scores: pd.DataFrame) -> None:
    """Write a long-format table as CSV, atomically."""
    with atomic_write(path) as partial:
        scores.to_csv(partial, index=False)
