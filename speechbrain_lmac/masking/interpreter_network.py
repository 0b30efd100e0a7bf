"""Network that is trained and served: a masked classifier and a mask decoder."""

import torch

from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.gradients import log_attribution, relevance_maps
from speechbrain_lmac.masking.log_power import normalized_log_power
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.masking.psi_decoder import PsiDecoder
from speechbrain_lmac.utils.errors import InputError

OPPOSITION = 1.0
"""Weight of the difference of the mask logits of a contrast and of its reverse."""
TIE = 1e-4
"""Largest difference of logits, as a fraction of the largest one, of equally probable classes."""


class InterpreterNetwork(MaskNetwork):
    """Masks for clips and queries. Only the decoder has trainable weights.

    Arguments
    ---------
    classifier : MaskedClassifier
        Frozen classifier with its masking domain.
    decoder : MaskDecoder or PsiDecoder
        Decoder for the classifier's hidden maps. One that is not conditioned on the query explains
        predicted classes only.

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> from speechbrain_lmac.masking.domains import MelDomain
    >>> clap = MiniCLAP()
    >>> decoder = MaskDecoder(clap.hidden_channels, clap.query_dim)
    >>> model = InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)
    >>> queries = clap.queries(["rain", "siren", "dog"])
    >>> model(model.classifier.encode_clips(torch.randn(2, 32000)), queries.unsqueeze(1)).shape
    torch.Size([3, 2, 63, 64])
    """

    def __init__(self, classifier: MaskedClassifier, decoder: MaskDecoder | PsiDecoder):
        super().__init__(classifier)
        self.decoder = decoder
        if decoder.uses_gradients:
            classifier.keeps_graph = True

    @property
    def explains_any_query(self) -> bool:
        """Whether masks of all queries are predicted, and not of the predicted class only."""
        return self.decoder.conditioned

    def features(
        self, encoded: EncodedClips, queries: torch.Tensor | None = None
    ) -> DecoderFeatures:
        """Decoder input of encoded clips.

        Arguments
        ---------
        encoded : EncodedClips
            Batch of clips.
        queries : torch.Tensor
            Query vectors, as in :meth:`forward`, for gradient features. Default: the gradient
            features are left out.

        Returns
        -------
        DecoderFeatures
        """
        log_power = normalized_log_power(encoded.power)
        features = DecoderFeatures(encoded.encoding.hidden, log_power)
        if queries is None or not self.decoder.uses_gradients:
            return features
        return self._with_gradients(features, encoded, queries)

    def _with_gradients(
        self, features: DecoderFeatures, encoded: EncodedClips, queries: torch.Tensor
    ) -> DecoderFeatures:
        """Add the relevance maps of the deepest hidden maps, and the gradient path."""
        graph = encoded.graph or self.classifier.encode_with_graph(encoded.encoder_power)
        hidden = graph.hidden[: self.decoder.gradient_features]
        paired_logits = self.classifier.audio_classifier.paired_logits
        if not self.decoder.gradient_path:
            maps = relevance_maps(graph.vector, hidden, queries, paired_logits)
            return features._replace(gradients=maps)
        valid = self.classifier.grid(encoded).valid

        def attribution(gradient: torch.Tensor) -> torch.Tensor:
            gains = self.classifier.gain_gradient(encoded, gradient)
            return log_attribution(gains, valid, self.decoder.gradient_path_map)

        *relevances, path = relevance_maps(
            graph.vector, hidden, queries, paired_logits, graph.power, attribution
        )
        return features._replace(gradients=tuple(relevances), path=path)

    def forward(
        self,
        encoded: EncodedClips,
        queries: torch.Tensor,
        features: DecoderFeatures | None = None,
    ) -> torch.Tensor:
        """Predict masks; they are 0 in bins outside the encoder input.

        Arguments
        ---------
        encoded : EncodedClips
            Batch of clips.
        queries : torch.Tensor
            Query vectors: ``[queries, 1, dim]`` for all clips, or ``[queries, batch, dim]``.
        features : DecoderFeatures
            Decoder input in place of the clips' own. Default: :meth:`features`.

        Returns
        -------
        torch.Tensor
            Masks in [0, 1), ``[queries, batch, frames, bins]``.

        Raises
        ------
        InputError
            If the decoder is not conditioned, and a query is not the predicted class of its clip.
        """
        if not self.explains_any_query:
            self._check_predicted(encoded.encoding.vector, queries)
        if features is None:
            features = self.features(encoded, queries)
        with torch.autocast(queries.device.type, enabled=False):  # bfloat16 would create ties
            return self.decoder(features, queries, self.classifier.grid(encoded))

    def contrast(self, encoded: EncodedClips, differences: torch.Tensor) -> torch.Tensor:
        """Predict masks for differences of two queries; see :meth:`MaskNetwork.contrast`.

        The reverse difference, a cat rather than a dog, has the opposite evidence. With the mask
        logits ``l(d)`` of a difference, the mask has the logits ``l(d) + c (l(d) - l(-d))``, and
        ``c`` is ``OPPOSITION``. What both have in common, such as the power of the clip, counts
        less then.
        """
        if not isinstance(self.decoder, MaskDecoder):
            return self(encoded, differences)
        both = torch.cat([differences, -differences])
        features, grid = self.features(encoded, both), self.classifier.grid(encoded)
        with torch.autocast(both.device.type, enabled=False):
            logits, reverse = self.decoder.logits(features, both, grid).chunk(2)
            return self.decoder.to_mask(logits + OPPOSITION * (logits - reverse), grid)

    def _check_predicted(self, vectors: torch.Tensor, queries: torch.Tensor) -> None:
        """Raise InputError unless each query is the most probable class of its clip."""
        classes = self.classifier.competing(queries.flatten(0, 1)).queries
        best = self.classifier.logits(vectors, classes).amax(dim=1)
        logits = self.classifier.audio_classifier.paired_logits(vectors, queries)
        if (logits < best - TIE * best.abs().clamp(min=1)).any():
            raise InputError(
                "this decoder explains the predicted class of a clip only, got another class. "
                "Leave the class out, or use an interpreter with a conditioned decoder"
            )
