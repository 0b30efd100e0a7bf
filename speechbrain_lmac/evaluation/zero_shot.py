"""Classification of a labeled data set: accuracy of the classifier to explain."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from speechbrain_lmac.audio.io import check_audio, fit_length, load_audio
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.evaluation.zero_shot_tables import confusion, per_class
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import check_writable, write_text
from speechbrain_lmac.utils.ownership import Ledger, owned_file

WRITTEN = ("predictions.csv", "confusion.csv", "per_class.csv", "report.md")
"""Files of the output folder."""


def ready_folder(folder: str | Path) -> None:
    """Create the output folder before the clips are classified."""
    check_writable(Path(folder) / "report.md")
    Ledger(folder).check(WRITTEN)


def chosen_clips(
    data_folder: str | Path,
    folds: Sequence[int] | None = None,
    without: str | Path | None = None,
) -> list[Clip]:
    """Select clips of some folds, without the source recordings of another data set."""
    clips = read_clips(data_folder)
    if folds is not None:
        known = sorted({clip.fold for clip in clips})
        unknown = sorted(set(folds) - set(known))
        if unknown:
            raise InputError(f"folds must be from {known}, got {unknown[0]}")
        clips = [clip for clip in clips if clip.fold in folds]
    if without is not None:
        shared = {clip.src_file for clip in read_clips(without)}
        clips = [clip for clip in clips if clip.src_file not in shared]
    if not clips:
        raise InputError(f"{data_folder} must have clips outside the excluded set, got none")
    return clips


@torch.no_grad()
def embed_clips(
    classifier: AudioClassifier, clips: Sequence[Clip], seconds: float | None = None
) -> torch.Tensor:
    """Encode clips one by one.

    Arguments
    ---------
    classifier : AudioClassifier
        Classifier of the clips.
    clips : list of Clip
        Clips to read and encode.
    seconds : float
        Length that clips are cut or padded to. Default: the length of each clip.

    Returns
    -------
    torch.Tensor
        Clip vectors, ``[clips, dim]``.

    Raises
    ------
    InputError
        If a clip cannot be read. All clips are checked before the first is encoded.
    """
    embeddings = []
    for clip in tqdm(clips, desc="checking audio", unit="clip", dynamic_ncols=True):
        check_audio(clip.wav, clip.start, clip.stop)
    for clip in tqdm(clips, desc="encoding", unit="clip", dynamic_ncols=True):
        wav = load_audio(clip.wav, classifier.sample_rate, clip.start, clip.stop)
        if seconds is not None:
            wav = fit_length(wav, round(seconds * classifier.sample_rate))
        embeddings.append(classifier(wav.unsqueeze(0).to(classifier.device)).vector)
    return torch.cat(embeddings)


def classify(
    classifier: AudioClassifier,
    embeddings: torch.Tensor,
    clips: Sequence[Clip],
    names: Sequence[str],
    wordings: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Score every clip against every class, in every wording.

    Returns
    -------
    pandas.DataFrame
        One row per clip and wording: ``clip``, its ``recording``, ``label``, ``wording``,
        ``predicted``, ``rank`` of the label (1: correct) and ``confidence``, the probability of the
        prediction.
    """
    labels = torch.tensor([names.index(clip.label) for clip in clips], device=embeddings.device)
    tables = []
    for wording, prompts in wordings.items():
        queries = classifier.queries(prompts)
        logits = classifier.logits(embeddings, queries)
        if not logits.isfinite().all():
            raise InputError(f"scores under {wording!r} must be finite. Check the weights")
        order = logits.argsort(dim=1, descending=True, stable=True)
        rank = 1 + (order == labels.unsqueeze(1)).int().argmax(dim=1)
        best, probabilities = order[:, 0], classifier.probabilities(embeddings, queries)
        confidence = probabilities.gather(1, best.unsqueeze(1)).squeeze(1)
        tables.append(
            pd.DataFrame(
                {
                    "clip": [clip.ID for clip in clips],
                    "recording": [clip.src_file for clip in clips],
                    "label": [clip.label for clip in clips],
                    "wording": wording,
                    "predicted": [names[i] for i in best.tolist()],
                    "rank": rank.tolist(),
                    "confidence": confidence.tolist(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def write(folder: Path, rows: pd.DataFrame, names: Sequence[str], text: str) -> None:
    """Write ``predictions.csv``, ``confusion.csv``, ``per_class.csv`` and ``report.md``."""
    texts = (
        rows.to_csv(index=False),
        confusion(rows, names).to_csv(),
        per_class(rows).to_csv(index_label="label"),
        text,
    )
    for name, content in zip(WRITTEN, texts, strict=True):
        write_text(folder / name, content, writer=owned_file)
    print(f"written to {folder}")
