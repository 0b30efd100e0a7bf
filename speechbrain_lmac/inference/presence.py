"""Presence of a prompt: its probability against 50 everyday sounds.

The softmax over the user's own prompts only ranks them, and is 1 for a single prompt. The class
names of ESC-50 serve as competing classes, so that a prompt can be absent.
"""

import torch

from speechbrain_lmac.models.base import AudioClassifier

MIN_PRESENCE = 0.05
"""Presence below which a prompt is absent."""
LIKELY = 0.5
"""Probability above which a prompt counts as recognized."""


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

    def __init__(self, audio_classifier: AudioClassifier):
        self.audio_classifier = audio_classifier

    def against(self, query: torch.Tensor) -> torch.Tensor:
        """Return a query ``[1, dim]`` and its competing classes, ``[1 + classes, dim]``."""
        return self.audio_classifier.rivals(query)

    @torch.no_grad()
    def probability(self, vector: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Return the probability of each query against its competing classes.

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
        return self.audio_classifier.presence(vector, queries)
