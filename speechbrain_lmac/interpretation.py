"""What an explanation is: a frozen value that can be heard, seen and saved."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from speechbrain_lmac.audio import safe_gain, save_audio


@dataclass(frozen=True, eq=False)
class Interpretation:
    """Why a CLAP finds a clip similar to each of the prompts.

    Arguments
    ---------
    original : torch.Tensor
        The clip as the CLAP heard it, ``[time]``.
    waveform : torch.Tensor
        What each prompt's mask keeps, ``[prompts, time]``.
    mask : torch.Tensor
        ``[prompts, frames, bins]`` in [0, 1].
    similarity : torch.Tensor
        Logits, ``[prompts]``.
    target : int
        Index of the most similar prompt.
    prompts : tuple of str
        As they were given.
    sample_rate : int
        Of the sounds, in Hz.
    model : ListenableMap
        What was explained, for :meth:`score`.
    """

    original: torch.Tensor
    waveform: torch.Tensor
    mask: torch.Tensor
    similarity: torch.Tensor
    target: int
    prompts: tuple
    sample_rate: int
    model: Any = field(repr=False)

    @property
    def residual(self) -> torch.Tensor:
        """What each mask removes, ``[prompts, time]``: the clip less the explanation."""
        return self.original - self.waveform

    @property
    def probabilities(self) -> torch.Tensor:
        """Softmax of the similarities over the given prompts, ``[prompts]``."""
        return self.similarity.softmax(dim=0)

    def score(self) -> dict[str, torch.Tensor]:
        """What the CLAP makes of the kept and the removed *sounds*; two more encodes a prompt.

        The sounds are encoded, not the masked spectrograms: it is sounds that people hear.

        Returns
        -------
        dict
            ``kept`` and ``removed``: each prompt's logit given its explanation and given its
            residual, ``[prompts]``; ``p``, ``q`` and ``r``: its probability over the prompts
            given the clip, the explanation and the residual, ``[prompts]``.
        """
        classifier = self.model.classifier
        text = classifier.clap.embed_text(list(self.prompts))
        with torch.no_grad():
            kept, removed = (
                classifier.logits(classifier.clap(sounds.to(text.device)).embedding, text).cpu()
                for sounds in (self.waveform, self.residual)
            )
        q, r = (logits.softmax(dim=1).diagonal() for logits in (kept, removed))
        return {
            "kept": kept.diagonal(),
            "removed": removed.diagonal(),
            "p": self.probabilities,
            "q": q,
            "r": r,
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write sounds, figure and scores.

        Arguments
        ---------
        folder : str or Path
            Made if absent. Gets ``original.wav``, ``{i}-{prompt}-explanation.wav`` and
            ``-residual.wav`` for each prompt, ``figure.png`` and ``scores.json``. One gain,
            in ``scores.json``, keeps all of them from clipping.

        Returns
        -------
        list of Path
            The explanations, in the order of the prompts.
        """
        from speechbrain_lmac.figures import draw_interpretation

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        gain = safe_gain(self.original, self.waveform, self.residual)
        save_audio(folder / "original.wav", gain * self.original, self.sample_rate)
        stems = [folder / f"{i}-{_slug(prompt)}" for i, prompt in enumerate(self.prompts)]
        explanations = [stem.with_name(stem.name + "-explanation.wav") for stem in stems]
        for i, (stem, path) in enumerate(zip(stems, explanations)):
            save_audio(path, gain * self.waveform[i], self.sample_rate)
            residual = stem.with_name(stem.name + "-residual.wav")
            save_audio(residual, gain * self.residual[i], self.sample_rate)
        draw_interpretation(self, folder / "figure.png")
        (folder / "scores.json").write_text(json.dumps(self._scores(gain), indent=2) + "\n")
        return explanations

    def _scores(self, gain):
        scores = {name: values.tolist() for name, values in self.score().items()}
        rows = [
            {
                "prompt": prompt,
                "similarity": self.similarity[i].item(),
                "similarity_of_explanation": scores["kept"][i],
                "similarity_of_residual": scores["removed"][i],
                "probability": scores["p"][i],
                "probability_of_explanation": scores["q"][i],
                "probability_of_residual": scores["r"][i],
                "mask_mean": self.mask[i].mean().item(),
            }
            for i, prompt in enumerate(self.prompts)
        ]
        return {
            "gain": gain,
            "sample_rate": self.sample_rate,
            "target": self.target,
            "prompts": rows,
        }


def _slug(prompt):
    """A prompt as a part of a file name.

    Example
    -------
    >>> _slug("this is the sound of crying baby!")
    'this-is-the-sound-of-crying-baby'
    """
    words = "".join(c.lower() if c.isalnum() else " " for c in prompt).split()
    return "-".join(words)[:60] or "prompt"
