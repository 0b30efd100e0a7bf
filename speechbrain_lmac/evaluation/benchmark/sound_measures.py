"""Measures of the explanation's sound: as its file is read, and by an independent classifier."""

import tempfile
from pathlib import Path

import soundfile
import torch

from speechbrain_lmac.audio.io import safe_gain, save_audio
from speechbrain_lmac.evaluation.benchmark.batches import ItemBatch
from speechbrain_lmac.evaluation.long_format import Scores
from speechbrain_lmac.evaluation.scoring import Attributions
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.metrics import faithfulness
from speechbrain_lmac.metrics.top_k import top_k_mask
from speechbrain_lmac.models.classifiers.yamnet import YAMNet

YAMNET_FRACTION = 0.2
"""Mask area of the explanations that the independent classifier gets."""


@torch.no_grad()
def measure_written_audio(
    model: InterpreterNetwork, explainer: Explainer, batch: ItemBatch, attributions: Attributions
) -> Scores:
    """Encode the explanation as read from its audio file: is ``p_masked_in`` still the same?"""
    classifier, given = model.classifier, batch.batch
    sounds = classifier.apply_mask(given.encoded, attributions.masks)
    wavs = torch.stack(
        [_through_file(s, classifier.audio_classifier.sample_rate) for s in sounds.cpu()]
    )
    written = classifier.encode_clips(wavs.to(sounds.device)).encoding.vector
    masked = classifier.encode_masked_vector(given.encoded, attributions.masks)
    p_written, p_masked_in = (
        classifier.probabilities(embedding, given.prompts.embeddings)
        .gather(1, given.target.unsqueeze(1))
        .squeeze(1)
        for embedding in (written, masked)
    )
    gap = (p_written - p_masked_in).abs()
    return {("p_written", None): p_written.tolist(), ("written_gap", None): gap.tolist()}


def _through_file(sound: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """Write a sound to a file and read it again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "explanation.wav"
        save_audio(path, safe_gain(sound) * sound, sample_rate)
        samples, _ = soundfile.read(path, dtype="float32")
    return torch.from_numpy(samples)


def measure_independent_classifier(
    model: InterpreterNetwork,
    explainer: Explainer,
    batch: ItemBatch,
    attributions: Attributions,
    yamnet: YAMNet,
) -> Scores:
    """Compute AD, FF and Fid-In with another classifier on the audio of the explanation."""
    classifier, given = model.classifier, batch.batch
    wavs, target = given.encoded.wavs, given.target.cpu()
    masked_in = classifier.apply_mask(
        given.encoded, top_k_mask(attributions.ranks, YAMNET_FRACTION)
    )
    distributions = [
        yamnet.probabilities(
            sounds.cpu(), classifier.audio_classifier.sample_rate, given.prompts.names
        )
        for sounds in (wavs, masked_in, wavs - masked_in)
    ]
    is_top1 = distributions[1].argmax(dim=1) == target
    p, q, r = (values.gather(1, target.unsqueeze(1)).squeeze(1) for values in distributions)
    values = {
        "yamnet_p": p,
        "yamnet_AD": faithfulness.average_drop(p, q),
        "yamnet_FF": faithfulness.faithfulness(p, r),
        "yamnet_Fid-In": faithfulness.input_fidelity(is_top1),
    }
    return {(name, None): value.tolist() for name, value in values.items()}
