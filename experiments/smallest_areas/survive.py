"""Count smallest areas whose decision survives a file, by how the areas were decided.

Usage: python -m experiments.smallest_areas.survive ESC10 [--source mini-stft] [--fold 5]

Areas are decided on the sounds of a clip, as ``explain`` does, and on its masked spectrogram.
The sound of each area is written and read, and the written sound decides.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio, save_audio
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.inference.areas import PromptAreas
from speechbrain_lmac.inference.decisions import PromptDecisions, RankedMasks
from speechbrain_lmac.inference.interpretation import Interpretation
from speechbrain_lmac.metrics.smallest_areas import smallest_areas
from speechbrain_lmac.utils.errors import report_errors


@report_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the clips of a fold and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder of ESC-10, with the layout of ESC-50")
    parser.add_argument("--source", default="mini-stft", metavar="INTERPRETER")
    parser.add_argument("--fold", type=int, default=5)
    options = parser.parse_args(arguments)
    interpreter = Interpreter.from_hparams(source=options.source)
    clips = [clip for clip in read_clips(options.data) if clip.fold == options.fold]
    counts: Counter[tuple[str, str, bool]] = Counter()
    for clip in clips:
        result = interpreter.interpret_file(clip.wav)
        for decided_on, areas in (
            ("sounds", result.areas[0]),
            ("spectrograms", spectrogram_areas(result)),
        ):
            for name, area in areas._asdict().items():
                if area is not None:
                    counts[decided_on, name, survives(result, name, area)] += 1
    for decided_on in ("sounds", "spectrograms"):
        for name in PromptAreas._fields:
            kept, lost = (counts[decided_on, name, holds] for holds in (True, False))
            print(f"{options.source}, decided on {decided_on}, {name}: {kept} of {kept + lost}")


@torch.no_grad()
def spectrogram_areas(result: Interpretation) -> PromptAreas:
    """Return the smallest areas of the first prompt, decided on masked spectrograms."""
    classifier = result.model.classifier
    ranked = RankedMasks(classifier, result.filtered, result.mask)
    decisions = PromptDecisions(ranked, result.prompts, None)
    encoded = ranked.encoded
    if not decisions.leads(encoded.encoding.vector[0], 0):
        return PromptAreas(None, None)

    def leads(top: torch.Tensor, removed: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        masks = torch.where(removed[:, None, None], 1 - top, top)
        power = encoded.encoder_power[index]
        vectors = classifier.encode_masked(power, masks, encoded.wavs.shape[-1]).vector
        return torch.stack([decisions.leads(vector, 0) for vector in vectors])

    ranks = ranked.ranks(0).unsqueeze(0)
    found = smallest_areas(ranks, ranked.num_bins, leads, torch.tensor([True]))
    return PromptAreas(*(area.item() if area <= 1 else None for area in found))


def survives(result: Interpretation, name: str, area: float) -> bool:
    """Return whether the written sound of an area decides as the area states."""
    sound = result.waveform_at(area, 0) if name == "sufficient" else result.residual_at(area, 0)
    rate = result.sample_rate
    with tempfile.TemporaryDirectory() as folder:
        save_audio(Path(folder) / "sound.wav", sound, rate)
        written = load_audio(Path(folder) / "sound.wav", rate)
    ranked = RankedMasks(result.model.classifier, result.filtered, result.mask)
    classifier = result.model.classifier.audio_classifier
    with torch.no_grad():
        vector = classifier(classifier.without_offset(written.unsqueeze(0))).vector[0]
    decisions = PromptDecisions(ranked, result.prompts, None)
    return bool(decisions.leads(vector, 0)) == (name == "sufficient")


if __name__ == "__main__":
    main()
