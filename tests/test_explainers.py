import numpy as np
import pytest
import torch
from torch import nn
from torchcam.methods import GradCAMpp

from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.grid import spread


@pytest.mark.parametrize("name", EXPLAINERS)
def test_every_explainer_gives_one_map_a_clip(name, model, wavs, text):
    analysis = model.classifier.analyse(wavs)
    maps = EXPLAINERS[name](model, analysis, text, seeds=[1, 2, 3])
    assert maps.shape == analysis.power.shape
    assert maps.min() >= 0 and maps.max() <= 1
    assert not maps.requires_grad or name == "lmac-zs"


@pytest.mark.parametrize("name", EXPLAINERS)
def test_a_map_does_not_depend_on_the_batch(name, model, wavs, text):
    analyse = model.classifier.analyse
    together = EXPLAINERS[name](model, analyse(wavs), text, seeds=[1, 2, 3])[1]
    alone = EXPLAINERS[name](model, analyse(wavs[1:2]), text[1:2], seeds=[2])[0]
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def eq_19(maps, gradient):
    """GradCAM++'s equation 19 and 20 for one clip, written out channel by channel."""
    cam = np.zeros(maps.shape[1:])
    for activation, slope in zip(maps, gradient):
        alpha = slope**2 / (2 * slope**2 + activation.sum() * slope**3)
        cam += np.nansum(alpha * np.maximum(slope, 0)) * activation
    return np.maximum(cam, 0)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("layer", [0, 1])
def test_gradcam_plus_plus_equals_its_equation_on_torchcams_maps_and_gradients(
    model, wavs, text, layer
):
    """torchcam hooks maps and gradients; its own weights skip the division of eq. 19."""
    clap, plane = model.classifier.clap, model.classifier.plane
    power = plane.power(wavs)

    class Scores(nn.Module):
        def __init__(self):
            super().__init__()
            self.plane = plane

        def forward(self, x):
            return clap.logit_scale * self.plane.encode(x.squeeze(1)).embedding @ text.T

    scores = Scores()
    block = clap.audio_tower.blocks[-1 - layer]
    with GradCAMpp(scores, target_layer=block, input_shape=power.shape[1:]) as oracle:
        oracle([0, 1, 2], scores(power.unsqueeze(1).requires_grad_()))
        maps, gradient = (
            hook[0].detach().double().numpy() for hook in (oracle.hook_a, oracle.hook_g)
        )
    cams = np.stack([eq_19(*clip) for clip in zip(maps, gradient)])
    expected = spread(torch.from_numpy(cams).float(), plane.grid(power, wavs.shape[1]))
    expected = expected / expected.amax(dim=(1, 2), keepdim=True)
    explain = EXPLAINERS["gradcam++"]
    ours = explain(model, model.classifier.analyse(wavs), text, [0] * 3, layer=layer)
    torch.testing.assert_close(ours, expected, atol=1e-3, rtol=0)


def test_random_differs_between_clips_and_not_between_calls(model, wavs, text):
    analysis = model.classifier.analyse(wavs)
    first, again = (EXPLAINERS["random"](model, analysis, text, [1, 2, 3]) for _ in range(2))
    assert (first == again).all()
    assert (first[0] != first[1]).any()


def test_energy_ranks_as_power(model, wavs, text):
    analysis = model.classifier.analyse(wavs)
    energy = EXPLAINERS["energy"](model, analysis, text, [0] * 3)
    assert (energy.flatten(1).argmax(dim=1) == analysis.power.flatten(1).argmax(dim=1)).all()
