"""The model that is trained and served: a classifier that can be masked, and a mask decoder."""

from torch import nn

from speechbrain_lmac.losses import Pairs


class ListenableMap(nn.Module):
    """Masks for clips and prompts; only the decoder has weights to learn.

    Arguments
    ---------
    classifier : MaskableClassifier
        The frozen CLAP and its plane.
    decoder : MaskDecoder
        Made for the CLAP's hidden maps.

    Example
    -------
    >>> import torch
    >>> from speechbrain_lmac.clap.embedded import EmbeddedClap
    >>> from speechbrain_lmac.decoder import MaskDecoder
    >>> from speechbrain_lmac.masking import MaskableClassifier
    >>> from speechbrain_lmac.planes import MelPlane
    >>> clap = EmbeddedClap()
    >>> decoder = MaskDecoder(clap.hidden_channels, clap.text_dim)
    >>> model = ListenableMap(MaskableClassifier(MelPlane(clap)), decoder)
    >>> text = clap.embed_text(["rain", "siren", "dog"])
    >>> model(model.classifier.analyse(torch.randn(2, 32000)), text.unsqueeze(1)).shape
    torch.Size([3, 2, 63, 64])
    """

    def __init__(self, classifier, decoder):
        super().__init__()
        self.classifier = classifier
        self.decoder = decoder

    def forward(self, analysis, text):
        """Masks ``[texts, batch, frames, bins]``.

        Arguments
        ---------
        analysis : Analysis
            Of ``batch`` clips.
        text : torch.Tensor
            ``[texts, 1, dim]`` for all pairs, or ``[texts, batch, dim]``.
        """
        return self.decoder(analysis.encoding.hidden, text, self.classifier.grid(analysis))

    def pairs(self, analysis, text, chunk_size, harden=None):
        """All pairs of a batch, for the objective.

        Arguments
        ---------
        analysis : Analysis
            Of ``batch`` clips.
        text : torch.Tensor
            ``[batch, dim]``, the clips' own prompts.
        chunk_size : int
            Pairs in one pass of the encoder.
        harden : callable
            Masks ``[texts, batch, frames, bins]`` -> what is heard through; the masks
            themselves by default.

        Returns
        -------
        Pairs
        """
        masks = self(analysis, text.unsqueeze(1))
        heard = masks if harden is None else harden(masks)
        own = heard.diagonal(dim1=0, dim2=1).movedim(-1, 0)
        left = self.classifier.embed_masked(analysis, 1 - own)
        cosines = self.classifier.pair_cosines
        return Pairs(
            masks=masks,
            text=text,
            original=text @ analysis.encoding.embedding.T,
            masked_in=cosines(analysis, heard, text.unsqueeze(1), chunk_size),
            masked_out=text @ left.T,
        )
