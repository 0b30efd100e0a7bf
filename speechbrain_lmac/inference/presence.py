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
    """Probability that a prompt occurs in a clip, against 50 everyday sounds.

    Arguments
    ---------
    audio_classifier : AudioClassifier
        Classifier that embeds the class names.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> from speechbrain_lmac.data.synthetic import synthesize
    >>> clap = MiniCLAP()
    >>> vector = clap(synthesize("siren", seed=3).unsqueeze(0)).vector
    >>> queries = clap.queries(["this is the sound of siren", "this is the sound of rain"])
    >>> presence = PresenceClassifier(clap).probability(vector, queries)
    >>> bool(presence[0, 0] > 0.5), bool(presence[0, 1] < 0.01)
    (True, True)
    """

    def __init__(self, audio_classifier):
        self.audio_classifier = audio_classifier
        names = [speakable(name) for name in ESC50_CLASSES]
        self.queries = audio_classifier.class_queries(names)

    def against(self, query):
        """A query ``[1, dim]`` and the classes of other meaning, ``[1 + classes, dim]``."""
        competing = (query @ self.queries.T < SAME_MEANING_COSINE).squeeze(0)
        return torch.cat([query, self.queries[competing]])

    @torch.no_grad()
    def probability(self, vector, queries):
        """Probability of each query against the classes of other meaning.

        Arguments
        ---------
        vector : torch.Tensor
            Clip vectors, ``[batch, dim]``.
        queries : torch.Tensor
            Query vectors, ``[queries, dim]``.

        Returns
        -------
        torch.Tensor
            Probabilities, ``[batch, queries]``.
        """
        logits = self.audio_classifier.logits(vector, self.queries)
        same_meaning = queries @ self.queries.T >= SAME_MEANING_COSINE
        competing = logits.unsqueeze(1).masked_fill(same_meaning, -torch.inf).logsumexp(dim=-1)
        return (self.audio_classifier.logits(vector, queries) - competing).sigmoid()
