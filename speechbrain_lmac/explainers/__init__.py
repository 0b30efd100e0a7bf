"""Explainers of a zero-shot classifier's decision: one signature, one registry.

An explainer is a function ``(model, analysis, text, seeds) -> map``: the
:class:`~speechbrain_lmac.listenable_map.ListenableMap`, the
:class:`~speechbrain_lmac.masking.Analysis` of a batch of clips, the embedding of the prompt
explained for each, ``[batch, dim]``, and an int for each clip from which anything random is
drawn. It returns ``[batch, frames, bins]`` in [0, 1] on the model's plane.
"""

from speechbrain_lmac.explainers.cam import gradcam_plus_plus
from speechbrain_lmac.explainers.controls import energy, ones, random
from speechbrain_lmac.explainers.learned import lmac_zs

EXPLAINERS = {
    "lmac-zs": lmac_zs,
    "gradcam++": gradcam_plus_plus,
    "energy": energy,
    "random": random,
    "ones": ones,
}
"""Name -> explainer."""
