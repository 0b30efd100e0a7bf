"""The model that is trained and served: a classifier that can be masked, and a mask decoder."""

import torch
from torch import nn

from speechbrain_lmac.masking.decoder import DecoderFeatures
from speechbrain_lmac.masking.log_power import level


class InterpreterNetwork(nn.Module):
    """Masks for clips and prompts; only the decoder has weights to learn.

    Arguments
    ---------
    classifier : MaskedClassifier
        The frozen CLAP and its plane.
    decoder : MaskDecoder
        Made for the CLAP's hidden maps.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> from speechbrain_lmac.masking.decoder import MaskDecoder
    >>> from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
    >>> from speechbrain_lmac.masking.domains import MelDomain
    >>> clap = MiniCLAP()
    >>> decoder = MaskDecoder(clap.hidden_channels, clap.text_dim)
    >>> model = InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)
    >>> text = clap.embed_text(["rain", "siren", "dog"])
    >>> model(model.classifier.encode_clips(torch.randn(2, 32000)), text.unsqueeze(1)).shape
    torch.Size([3, 2, 63, 64])
    """

    def __init__(self, classifier, decoder):
        super().__init__()
        self.classifier = classifier
        self.decoder = decoder

    def evidence(self, encoded):
        """What the decoder goes by, of the clips analyzed: Evidence."""
        return DecoderFeatures(encoded.encoding.hidden, level(encoded.power))

    def forward(self, encoded, text, evidence=None):
        """Masks ``[texts, batch, frames, bins]``, 0 where the CLAP hears nothing.

        What it does not hear, beyond its highest band or its window, explains nothing.

        Arguments
        ---------
        encoded : EncodedClips
            Of ``batch`` clips.
        text : torch.Tensor
            ``[texts, 1, dim]`` for all pairs, or ``[texts, batch, dim]``.
        evidence : DecoderFeatures
            What the decoder is fed instead of the clips' own.
        """
        if evidence is None:
            evidence = self.evidence(encoded)
        with torch.autocast(text.device.type, enabled=False):  # bfloat16 would make cells ties
            return self.decoder(evidence, text, self.classifier.grid(encoded))
