"""Pairs of a clip and a prompt, in log-probabilities among all names.

A prompt is weighed against names, not alone: a similarity that falls by a tenth says nothing until
it is known whether another name now leads.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch.nn.functional import logsigmoid

SAME_TEXT = 1e-4
"""By how much embeddings of one text differ at most, of whatever batch."""


class ClassSet(NamedTuple):
    """The names that a prompt has to be likelier than."""

    text: torch.Tensor
    """``[names, dim]``, unit norm."""
    scale: float
    """From cosine to logit."""

    def log_odds(self, embedding, text, own):
        """Log-odds of prompts against all names but their own.

        Arguments
        ---------
        embedding, text : torch.Tensor
            ``[..., dim]``: of the sound and of the prompt.
        own : torch.Tensor
            ``[...]`` of long: the name that says the same as the prompt; -1 for none.

        Returns
        -------
        torch.Tensor
            ``[...]``; their sigmoid is the prompt's probability.

        Example
        -------
        >>> rivals = ClassSet(torch.eye(3), scale=1.0)
        >>> sound, prompt = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([1.0, 0.0, 0.0])
        >>> odds = rivals.log_odds(sound, prompt, torch.tensor(0))
        >>> torch.allclose(odds.sigmoid(), torch.eye(3)[0].softmax(0)[0])
        True
        """
        with torch.autocast(embedding.device.type, enabled=False):  # digits count: scale is large
            logits = self.scale * embedding.float() @ self.text.T
        names = torch.arange(len(self.text), device=own.device)
        others = logits.masked_fill(names == own.unsqueeze(-1), -torch.inf)
        return self.scale * (embedding.float() * text).sum(dim=-1) - others.logsumexp(dim=-1)


class PromptSensitivity(NamedTuple):
    """Clips of a batch, and prompts that are asked of each: its own first."""

    audio: torch.Tensor
    """``[batch, dim]``, unit norm."""
    text: torch.Tensor
    """``[prompts, batch, dim]``, unit norm."""
    own: torch.Tensor
    """``[prompts, batch]`` of long: the rivals' name that says the same; -1 for none."""
    rivals: ClassSet
    sources: torch.Tensor | None = None
    """Power of the clips and of what is mixed into them, which the second prompt names, on the
    plane: ``[2, batch, frames, bins]``; the second is 0 where a clip is alone."""
    num_separable: torch.Tensor | None = None
    """How many clips have sources to be told apart, ``[]``: the mean over processes; by default
    those of this one."""

    @property
    def log_odds(self):
        """Of every prompt, given the whole clip, ``[prompts, batch]``."""
        return self.rivals.log_odds(self.audio.expand_as(self.text), self.text, self.own)

    @property
    def separable(self):
        """Clips whose sources are known, and named differently: ``[batch]`` of bool."""
        named_alike = (self.own[0] == self.own[1]) & (self.own[0] >= 0)
        told_alike = (self.text[0] - self.text[1]).abs().amax(dim=1) < SAME_TEXT
        return self.sources[1].flatten(1).any(dim=1) & ~named_alike & ~told_alike

    @property
    def confidence_weight(self):
        """1 where a prompt is likelier than chance, given the whole clip, else how near it comes:
        ``[prompts, batch]``.
        """
        return (len(self.rivals.text) * self.log_odds.sigmoid()).clamp(max=1)


class MaskedPairs(NamedTuple):
    """What the encoder makes of masked clips, one for each of some pairs."""

    masked: torch.Tensor
    """``[heard, dim]``, unit norm."""
    pairs: PromptSensitivity
    which: torch.Tensor
    """``[heard]`` of long: which pair each is, ``prompt * batch + clip``."""

    def asked(self, step=0):
        """Of each pair the prompt asked, or that ``step`` rows after it: Asked."""
        prompts, batch = self.pairs.own.shape
        row, clip = self.which // batch, self.which % batch
        row = (row + step) % prompts
        return PairBatch(
            self.pairs.audio[clip], self.pairs.text[row, clip], self.pairs.own[row, clip]
        )

    def log_probabilities(self, step=0):
        """Of that prompt, given the clip and given what is heard of it: two ``[heard]``."""
        whole, text, own = self.asked(step)
        odds = partial(self.pairs.rivals.log_odds, text=text, own=own)
        return logsigmoid(odds(whole)), logsigmoid(odds(self.masked))

    def confidence_weight(self):
        """:attr:`PromptSensitivity.confidence_weight` of the prompts asked."""
        return self.pairs.confidence_weight.flatten()[self.which]


class PairBatch(NamedTuple):
    """Clips, prompts and the prompts' own names, ``[heard, ...]`` all."""

    whole: torch.Tensor
    text: torch.Tensor
    own: torch.Tensor
