"""The terms of the LMAC-ZS objective: one function per term.

The poster (NeurIPS 2024) has three: similarity matching, mask regularisation and prompt
diversity. Alone they leave soft masks that explain nothing, because a CLAP hardly notices
gain; the others here are ours, and ask what decides: is the prompt still likelier than all other
names where only the mask is heard, and is it no more where the mask is taken out?

Three kinds, by what they look at: the masks, what the encoder makes of what masks keep, and what
it makes of what they remove. All are means, not sums: a batch with everything in it twice has the
same loss, and so have larger masks.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import logsigmoid, normalize, relu

from speechbrain_lmac.errors import InputError

OPEN = 0.3
"""Mean of the mask of a prompt that is certain."""


class Rivals(NamedTuple):
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
        >>> rivals = Rivals(torch.eye(3), scale=1.0)
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


class Pairs(NamedTuple):
    """Clips of a batch, and prompts that are asked of each: its own first."""

    audio: torch.Tensor
    """``[batch, dim]``, unit norm."""
    text: torch.Tensor
    """``[prompts, batch, dim]``, unit norm."""
    own: torch.Tensor
    """``[prompts, batch]`` of long: the rivals' name that says the same; -1 for none."""
    rivals: Rivals

    @property
    def log_odds(self):
        """Of every prompt, given the whole clip, ``[prompts, batch]``."""
        return self.rivals.log_odds(self.audio.expand_as(self.text), self.text, self.own)


class Heard(NamedTuple):
    """What the encoder makes of masked clips, one for each of some pairs."""

    masked: torch.Tensor
    """``[heard, dim]``, unit norm."""
    pairs: Pairs
    which: torch.Tensor
    """``[heard]`` of long: which pair each is, ``prompt * batch + clip``."""

    def asked(self, step=0):
        """Of each pair the prompt asked, or that ``step`` rows after it: Asked."""
        prompts, batch = self.pairs.own.shape
        row, clip = self.which // batch, self.which % batch
        row = (row + step) % prompts
        return Asked(self.pairs.audio[clip], self.pairs.text[row, clip], self.pairs.own[row, clip])

    def log_probabilities(self, step=0):
        """Of that prompt, given the clip and given what is heard of it: two ``[heard]``."""
        whole, text, own = self.asked(step)
        odds = partial(self.pairs.rivals.log_odds, text=text, own=own)
        return logsigmoid(odds(whole)), logsigmoid(odds(self.masked))

    def belief(self):
        """1 where the prompt is likelier than chance, given the clip; else how near it comes."""
        before, _ = self.log_probabilities()
        return (len(self.pairs.rivals.text) * before.exp()).clamp(max=1)


class Asked(NamedTuple):
    """Clips, prompts and the prompts' own names, ``[heard, ...]`` all."""

    whole: torch.Tensor
    text: torch.Tensor
    own: torch.Tensor


def similarity_matching(heard):
    """``|t . f(X) - t . f(M * X)|``: masked, a clip is as similar as before (poster)."""
    whole, text, _ = heard.asked()
    return ((whole - heard.masked) * text).sum(dim=-1).abs()


def decision_kept(heard):
    """``-b log q``, ``q`` the prompt's probability where only the mask is heard: it decides for the
    prompt. ``b`` is :meth:`Heard.belief`.
    """
    _, after = heard.log_probabilities()
    return -heard.belief() * after


def decision_removed(heard):
    """``-b log(1 - r)``, ``r`` the prompt's probability in the remainder: it decides no longer.

    Bounded, at 0 where nothing is left of the prompt. (L-MAC's ``-CE`` is not.)
    """
    _, text, own = heard.asked()
    odds = heard.pairs.rivals.log_odds(heard.masked, text, own)
    return -heard.belief() * logsigmoid(-odds)


def others_kept(heard):
    """``u p' relu(log p' - log r')`` of the next prompt asked of the clip: taking one sound out of
    a mixture leaves the other its own. ``u = 1 - max(0, t . t')``: what means the same is no other.
    """
    before, after = heard.log_probabilities(step=1)
    own, next_ = heard.asked(), heard.asked(step=1)
    unlike = 1 - (own.text * next_.text).sum(dim=-1).clamp(min=0)
    named_alike = (own.own == next_.own) & (own.own >= 0)
    return unlike.masked_fill(named_alike, 0.0) * before.exp() * relu(before - after)


def sparsity(masks, pairs):
    """``mean |M|``: not everything matters (poster's L1 term)."""
    return masks.mean()


def prompt_diversity(masks, pairs):
    """``mean_ik relu(cos(M_i, M_k) - max(0, t_i . t_k))`` over the masks of one clip.

    Other prompts, other masks; paraphrases may share one. The poster states the term's
    purpose, the form is ours. A text with itself adds exactly 0.
    """
    cells = normalize(masks.flatten(2), dim=-1)
    with torch.autocast(masks.device.type, enabled=False):
        mask_cosine = torch.einsum("ibc,kbc->bik", cells, cells)
        text_cosine = torch.einsum("ibd,kbd->bik", pairs.text, pairs.text).clamp(min=0)
    excess = relu(mask_cosine - text_cosine)
    apart = 1 - torch.eye(len(pairs.text), device=excess.device)
    return (excess * apart).mean()


def presence(masks, pairs, share=OPEN):
    """``mean |mean M - share sqrt(p)|``: a mask opens as far as the CLAP believes in its prompt.

    So the mask of a prompt of nothing that is there is near empty. The root leaves room for sounds
    that the CLAP hears, but not as the loudest of a mixture.
    """
    wanted = share * pairs.log_odds.sigmoid().sqrt()
    return (masks.mean(dim=(2, 3)) - wanted).abs().mean()


def binarisation(masks, pairs):
    """``mean 4 M (1 - M)``: 0 for a mask of zeros and ones, 1 for one of halves."""
    return (4 * masks * (1 - masks)).mean()


POSTER_TERMS = ("similarity", "sparsity", "diversity")
DECISIVE_TERMS = ("kept", "removed", "others", "presence", "budget")
METHODS = {"LMAC-ZS": POSTER_TERMS, "LMAC-ZS-D": DECISIVE_TERMS}
"""Name of a method -> what it is trained by; "budget" is the gate. LMAC-ZS is the poster's three
terms and nothing else."""


def method_name(terms):
    """What a method trained by terms is called: the nearest of ``METHODS``, what is added to it
    (``+``) and what is left out (``-``).

    Example
    -------
    >>> method_name(["similarity", "sparsity", "diversity", "budget"])
    'LMAC-ZS+budget'
    >>> method_name(["kept", "removed", "presence", "budget"])
    'LMAC-ZS-D-others'
    """
    distances = {name: len(set(known) ^ set(terms)) for name, known in METHODS.items()}
    name = min(distances, key=distances.__getitem__)
    added = [f"+{term}" for term in terms if term not in METHODS[name]]
    taken = [f"-{term}" for term in METHODS[name] if term not in terms]
    return name + "".join(added + taken)


class Objective(nn.Module):
    """Weighted sum of terms.

    Arguments
    ---------
    kept, removed : dict
        Name -> function of :class:`Heard`, a value for each pair: of what masks keep, and of what
        they remove.
    masks : dict
        Name -> function of masks ``[prompts, batch, frames, bins]`` and :class:`Pairs`, a value.
    weights : dict
        Name -> weight, for each of them. A weight of 0 takes the term out of the objective.

    Example
    -------
    >>> Objective({}, {}, {"sparsity": sparsity}, {"sparsity": 0.5, "speed": 1.0})
    Traceback (most recent call last):
    ...
    speechbrain_lmac.errors.InputError: weights and terms differ: speed
    """

    def __init__(self, kept, removed, masks, weights):
        super().__init__()
        if not isinstance(weights, dict):
            raise InputError(f"weights is a dict of numbers, not {weights!r}")
        odd = sorted({*kept, *removed, *masks} ^ set(weights))
        if odd:
            raise InputError(f"weights and terms differ: {', '.join(odd)}")
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.kept, self.removed, self.masks = (
            {name: term for name, term in terms.items() if name in self.weights}
            for terms in (kept, removed, masks)
        )

    @property
    def terms(self):
        """Names of what is in it."""
        return [*self.kept, *self.removed, *self.masks]

    def forward(self, pairs, masks, opened, hear):
        """The loss, a scalar, and a dict of the unweighted terms.

        Arguments
        ---------
        pairs : Pairs
            Of one batch.
        masks : torch.Tensor
            ``[prompts, batch, frames, bins]``.
        opened : torch.Tensor
            ``[heard, batch, frames, bins]``: the masks of the first so many prompts, as they are
            heard through.
        hear : callable
            ``(gains, value) -> values``, of
            :meth:`~speechbrain_lmac.masking.MaskableClassifier.masked_values`.

        Returns
        -------
        torch.Tensor, dict
        """
        found = {name: term(masks, pairs) for name, term in self.masks.items()}
        loss = sum(self.weights[name] * value for name, value in found.items())
        for terms, gains in ((self.kept, opened), (self.removed, 1 - opened)):
            if terms:
                value = partial(self._values, terms, pairs)
                total, values = hear(gains, value)
                loss = loss + total.mean()
                found.update(zip(terms, values.mean(dim=0)))
        return loss, found

    def _values(self, terms, pairs, masked, index):
        """Weighted sum of terms for each pair, ``[heard]``, and the terms, ``[heard, terms]``."""
        heard = Heard(masked, pairs, index)
        values = torch.stack([term(heard) for term in terms.values()], dim=1)
        weights = values.new_tensor([self.weights[name] for name in terms])
        return (values * weights).sum(dim=1), values  # no product that autocast would round
