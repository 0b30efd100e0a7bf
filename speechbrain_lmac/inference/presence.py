"""Is a sound there at all? A prompt beside 50 everyday sounds.

The softmax over a user's own prompts says which of them fits best, and gives a single one
certainty. Whether any fits takes names that the user did not think of: those of ESC-50.
"""

import torch

from speechbrain_lmac.data.labels import ESC50_CLASSES
from speechbrain_lmac.data.prompts import speakable

SAME_MEANING_COSINE = 0.75
"""Cosine from which a name says the same as a prompt, and is no rival of it. Three quarters of the
paraphrases of the names are at least so near to their own, in MiniCLAP."""


class PresenceClassifier:
    """The 50 names, embedded.

    Arguments
    ---------
    clap : CLAP
        Whose text side embeds them.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> from speechbrain_lmac.data.synthetic import synthesize
    >>> clap = MiniCLAP()
    >>> sound = clap(synthesize("siren", seed=3).unsqueeze(0)).embedding
    >>> text = clap.embed_text(["this is the sound of siren", "this is the sound of rain"])
    >>> there = PresenceClassifier(clap).probability(sound, text)
    >>> bool(there[0, 0] > 0.5), bool(there[0, 1] < 0.01)
    (True, True)
    """

    def __init__(self, clap):
        self.scale = float(clap.logit_scale)
        self.text = clap.embed_names([speakable(name) for name in ESC50_CLASSES])

    def against(self, text):
        """A prompt and the names that say something else, ``[1 + names, dim]``, of ``[1, dim]``."""
        apart = (text @ self.text.T < SAME_MEANING_COSINE).squeeze(0)
        return torch.cat([text, self.text[apart]])

    @torch.no_grad()
    def probability(self, embedding, text):
        """Of prompts, each against the names that say something else.

        Arguments
        ---------
        embedding : torch.Tensor
            ``[batch, dim]``, of sounds.
        text : torch.Tensor
            ``[prompts, dim]``.

        Returns
        -------
        torch.Tensor
            ``[batch, prompts]``.
        """
        names = self.scale * embedding @ self.text.T  # [batch, names]
        alike = text @ self.text.T >= SAME_MEANING_COSINE  # [prompts, names]
        rivals = names.unsqueeze(1).masked_fill(alike, -torch.inf).logsumexp(dim=-1)
        return (self.scale * embedding @ text.T - rivals).sigmoid()
