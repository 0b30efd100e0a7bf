"""Stages of the trainings that are cross-validated, for each classifier."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from speechbrain_lmac.metrics.fills import FILLS

TRAINING = {"baselines": ["energy"]}
"""Settings of all trainings."""


class Stage(NamedTuple):
    """One training. The next stage starts from its decoder."""

    name: str = ""
    """Name in the path of its folder; the last stage has none."""
    settings: Mapping[str, Any] = MappingProxyType({})
    """Settings that differ from those of the recipe."""
    has_others: bool = False
    """Whether it also trains on other sounds."""
    is_shared: bool = False
    """Whether it has no clip of ESC-50, so that one training serves all folds."""


class Recipe(NamedTuple):
    """Training and benchmark of a classifier's interpreters."""

    name: str
    training_file: str
    evaluation_file: str
    has_tagger: bool
    """Whether the classifier takes the weights of EfficientAT."""
    settings: dict[str, Any]
    """Settings of all stages."""
    stages: dict[str, list[Stage]]
    """Masking domain -> stages."""
    benchmark: dict[str, Any]
    """Settings of the benchmark."""


OTHERS_LAST = [
    Stage("first"),
    Stage(settings={"number_of_epochs": 24, "valid_interval": 6}, has_others=True),
]
"""On fold 4, which selects for fold 5, training on other sounds raised the in-out margin of the
STFT domain and lowered that of the mel domain."""


def others_first(settings: Mapping[str, Any] = MappingProxyType({})) -> list[Stage]:
    """Return stages with these settings: synthetic and other sounds, then three folds.

    The first stage takes 816 to 848 steps, and the second one 210 steps.
    """
    base = {"number_of_epochs": 16, "valid_interval": 16, **settings}
    last = {"number_of_epochs": 30, "valid_interval": 7, **settings}
    return [Stage("base", base, has_others=True, is_shared=True), Stage(settings=last)]


def mini_clap(
    settings: Mapping[str, Any],
    stft: Mapping[str, Any],
    benchmark: Mapping[str, Any] = MappingProxyType({}),
) -> Recipe:
    """Return a recipe of MiniCLAP.

    Arguments
    ---------
    settings : dict
        Settings of the trainings in both domains.
    stft : dict
        Further settings of the trainings in the STFT domain.
    benchmark : dict
        Settings of the benchmark that differ. Default: none.
    """
    return Recipe(
        name="MiniCLAP",
        training_file="lmac_zs.yaml",
        evaluation_file="evaluate.yaml",
        has_tagger=False,
        settings={
            **TRAINING,
            "mask_fills": list(FILLS),
            "contrast_probability": 0.25,
            "batch_size": 32,
            "lr": 0.0014,
            "chunk_size": 128,
            **settings,
        },
        stages={"mel": others_first(), "stft": others_first(stft)},
        benchmark={
            "explainers": [
                *("lmac", "integrated-gradients", "smoothgrad", "gradcam++", "gscorecam"),
                *("energy", "shuffled-clip", "random"),
            ],
            "subset_only_explainers": [],
            "num_clips": {"clips": 80, "valid_clips": 10, "subset": 10, "randomized": 0},
            "gallery": False,
            "processes": 2,
            **benchmark,
        },
    )


RECIPES = {
    "efficientat": Recipe(
        name="EfficientAT CLAP",
        training_file="lmac_zs_efficientat.yaml",
        evaluation_file="evaluate_efficientat.yaml",
        has_tagger=True,
        settings=TRAINING,
        stages={"mel": [Stage()], "stft": OTHERS_LAST},
        benchmark={},
    ),
    "mini": mini_clap({"gradient_features": 3}, stft={"gradient_path": 0.2}),
    "mini-d": mini_clap(
        {}, stft={}, benchmark={"explainers": ["lmac", "energy"], "tune_baselines": False}
    ),
}
