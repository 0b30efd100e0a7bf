"""Explainers of a zero-shot classifier's decision: one signature, one registry."""

from speechbrain_lmac.explainers.cam import GradCam, GradCamPlusPlus
from speechbrain_lmac.explainers.controls import Edges, Energy, Ideal, Ones, Random
from speechbrain_lmac.explainers.gradient import (
    InputXGradient,
    IntegratedGradients,
    Saliency,
    SmoothGrad,
)
from speechbrain_lmac.explainers.lmac import Constant, LmacZs, NoAudio, OtherClip, OtherPrompt
from speechbrain_lmac.explainers.optimized import Optimised
from speechbrain_lmac.explainers.score_cam import GScoreCam, ScoreCam

EXPLAINERS = {
    "lmac-zs": LmacZs(),
    "saliency": Saliency(),
    "input-x-gradient": InputXGradient(),
    "smoothgrad": SmoothGrad(),
    "integrated-gradients": IntegratedGradients(),
    "gradcam": GradCam(),
    "gradcam++": GradCamPlusPlus(),
    "scorecam": ScoreCam(),
    "gscorecam": GScoreCam(),
    "optimised": Optimised(),
    "other-clip": OtherClip(),
    "no-audio": NoAudio(),
    "other-prompt": OtherPrompt(),
    "constant": Constant(),
    "edges": Edges(),
    "energy": Energy(),
    "random": Random(),
    "ones": Ones(),
    "ideal": Ideal(),
}
"""Name -> explainer."""
