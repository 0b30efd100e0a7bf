"""Explainers of an audio classifier's prediction: one interface, one registry."""

from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.explainers.cam import GradCAM, GradCAMPlusPlus
from speechbrain_lmac.explainers.controls import (
    EnergyMask,
    FullMask,
    OracleIRM,
    RandomMask,
    SobelEdges,
)
from speechbrain_lmac.explainers.gradient import (
    InputXGradient,
    Saliency,
    SmoothGrad,
)
from speechbrain_lmac.explainers.gradient_shap import GradientShap
from speechbrain_lmac.explainers.guided import GuidedBackprop, GuidedGradCAM
from speechbrain_lmac.explainers.integrated_gradients import IntegratedGradients
from speechbrain_lmac.explainers.lmac import (
    LMAC,
    ConstantMask,
    MeanFeatures,
    ShuffledClip,
    ShuffledPrompt,
)
from speechbrain_lmac.explainers.optimized import OptimizedMask
from speechbrain_lmac.explainers.score_cam import GScoreCAM, ScoreCAM

EXPLAINERS: dict[str, Explainer] = {
    "lmac": LMAC(),
    "saliency": Saliency(),
    "input-x-gradient": InputXGradient(),
    "smoothgrad": SmoothGrad(),
    "integrated-gradients": IntegratedGradients(),
    "gradient-shap": GradientShap(),
    "guided-backprop": GuidedBackprop(),
    "guided-gradcam": GuidedGradCAM(),
    "gradcam": GradCAM(),
    "gradcam++": GradCAMPlusPlus(),
    "scorecam": ScoreCAM(),
    "gscorecam": GScoreCAM(),
    "optimized": OptimizedMask(),
    "shuffled-clip": ShuffledClip(),
    "mean-features": MeanFeatures(),
    "shuffled-prompt": ShuffledPrompt(),
    "constant": ConstantMask(),
    "sobel-edges": SobelEdges(),
    "energy": EnergyMask(),
    "random": RandomMask(),
    "full-mask": FullMask(),
    "oracle-irm": OracleIRM(),
}
"""Name -> explainer."""
