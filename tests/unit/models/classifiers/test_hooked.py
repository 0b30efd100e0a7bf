"""A network of the user as a classifier: equality, hooks, and what is refused."""

import copy
import threading

import pytest
import torch
import torchaudio
from torch import nn

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.models.classifiers.base import head_queries
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.gradients import used_weights
from tests.helpers.small_networks import NAMES, SAMPLE_RATE, front_end, hooked, small_cnn, stage


@pytest.fixture
def clips():
    """Return two clips of noise at 16 kHz."""
    return 0.1 * torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))


def log_mel(clips, **changes):
    """Return the front end of :func:`front_end` by torchaudio, ``[batch, frames, bands]``."""
    settings = {"n_fft": 512, "hop_length": 160, "n_mels": 40, **changes}
    mel = torchaudio.transforms.MelSpectrogram(SAMPLE_RATE, **settings)(clips)
    return (((mel + 1e-5).log() + 4) / 4).transpose(1, 2)


def logits_of(classifier, clips):
    """Return the logits of a classifier by its query vectors."""
    return classifier.logits(classifier(clips).vector, classifier.queries(classifier.class_names))


def test_hooked_equals_the_network(clips):
    """The logits are those of the network on torchaudio's front end; other filters differ."""
    body = small_cnn()
    classifier = hooked(body)
    expected = body(log_mel(clips).unsqueeze(1))
    torch.testing.assert_close(logits_of(classifier, clips), expected, rtol=1e-5, atol=1e-5)
    wrong = body(log_mel(clips, f_max=7000.0).unsqueeze(1))
    assert (wrong - expected).abs().max() > 1e-4


def test_hooked_passes_bands_first(clips):
    """The body may take bands before frames; maps are returned as frames by bins."""
    body = small_cnn()
    classifier = hooked(body, front_end=front_end(layout="batch 1 bands frames"))
    expected = body(log_mel(clips).transpose(1, 2).unsqueeze(1))
    torch.testing.assert_close(logits_of(classifier, clips), expected, rtol=1e-5, atol=1e-5)
    frames = [maps.shape[2] for maps in classifier(clips).hidden]
    longer = [maps.shape[2] for maps in classifier(clips.repeat(1, 2)).hidden]
    assert all(more > few for more, few in zip(longer, frames))


def test_hidden_maps_reach_the_logits(clips):
    """Gradients with respect to the returned maps exist; an in-place activation spares them."""
    body = small_cnn()
    classifier = hooked(body, hidden=("layer2.1", "layer1"))
    encoding = classifier(clips)
    hidden = encoding.hidden
    assert hidden[0].min() < 0 and classifier.hidden_channels == (16, 8)
    # the input of a frozen network needs no gradient of its own
    mel = classifier.mel(power_of(classifier.stft(clips))).requires_grad_()
    encoding = classifier.encode(mel)
    gradients = torch.autograd.grad(encoding.vector.sum(), encoding.hidden)
    assert all(gradient.any() for gradient in gradients)


def test_head_that_is_not_linear(clips):
    """The logits are the features, and the query vectors are unit vectors."""
    body = nn.Sequential(stage(1, 8), stage(8, 16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), Cosine())
    classifier = hooked(body.eval(), head="4", hidden=("1", "0"))
    expected = body(log_mel(clips).unsqueeze(1))
    torch.testing.assert_close(logits_of(classifier, clips), expected, rtol=1e-5, atol=1e-5)
    assert classifier.query_dim == 5
    assert len(list(classifier.audio_blocks[0].parameters())) == 1  # the head is encoded


class Cosine(nn.Module):
    """Cosine similarity with three directions, times 30."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 16))

    def forward(self, features):
        normalize = nn.functional.normalize
        return 30 * normalize(features) @ normalize(self.weight).T


def test_last_layer_of_a_sequential_head(clips):
    """The hidden layer of the head belongs to the encoder."""
    body = small_cnn()
    body.fc = nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3))
    classifier = hooked(body, head=body.fc)
    assert classifier.query_dim == 14 and classifier.wiring.head == "fc.2"
    rows, scale = head_queries(body.fc[2].weight, body.fc[2].bias)
    torch.testing.assert_close(classifier.head_queries, rows)
    assert classifier.logit_scale == scale


def test_blocks_hold_every_used_weight(clips):
    """Weights of no use and the rows of the head are left out; loose weights are found."""
    body = small_cnn()
    body.auxiliary = nn.Linear(4, 4)
    classifier = hooked(body)
    blocks = [id(w) for block in classifier.audio_blocks for w in block.parameters()]
    assert len(set(blocks)) == len(blocks) and id(body.gain) in blocks
    assert used_weights(classifier, lambda: classifier(clips).vector.sum()) == set(blocks)
    last, *_, first = classifier.audio_blocks
    assert id(body.fc1.weight) in map(id, last.parameters())
    assert id(body.stem.weight) in map(id, first.parameters())


def test_copies_are_independent(clips):
    """Hooks of a copy do not refer to the original."""
    classifier = hooked()
    twin = copy.deepcopy(classifier)
    with torch.no_grad():
        twin.body.stem.weight.zero_()
    assert (twin(clips).hidden[1] != classifier(clips).hidden[1]).any()


def test_threads_do_not_mix(clips):
    """Passes of several threads return their own maps."""
    classifier = hooked()
    expected = [classifier(clips[i : i + 1]).hidden[0] for i in range(2)]
    wrong = []

    def encode(index):
        for _ in range(20):
            maps = classifier(clips[index : index + 1]).hidden[0]
            wrong.extend([index] * (not torch.allclose(maps, expected[index], atol=1e-6)))

    threads = [threading.Thread(target=encode, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_reference_is_of_the_weights():
    """It changes with a weight, and weights can be loaded."""
    classifier, other = hooked(small_cnn(0)), hooked(small_cnn(1))
    assert classifier.reference != other.reference
    assert classifier.reference == hooked(small_cnn(0)).reference
    other.load_own_weights(classifier.own_weights())
    assert other.reference == classifier.reference
    torch.testing.assert_close(other.head_queries, classifier.head_queries)
    assert other.logit_scale == classifier.logit_scale
    with pytest.raises(InputError, match="lacks"):
        other.load_own_weights({})


class Detached(nn.Module):
    """Network that cuts gradients, or ends in a softmax."""

    def __init__(self, end):
        super().__init__()
        self.body, self.end = small_cnn(), end

    def forward(self, inputs):
        return self.end(self.body(inputs))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": "last"}, "no module 'last'. It has stem, layer1"),
        ({"hidden": ("layer9",)}, "no module 'layer9'"),
        ({"hidden": "layer2"}, "list of module names"),
        ({"hidden": ("layer2", "layer2")}, "different modules"),
        ({"hidden": ("layer1", "layer2")}, "deepest module first"),
        ({"hidden": ("fc1", "layer1")}, r"'fc1' must have 4 dimensions .*, got \[1, 16\]"),
        ({"head": nn.Linear(3, 3)}, "must be a module of the body"),
        ({"head": "fc1"}, r"head\(features\) must equal"),
        ({"names": ("siren", "rain")}, "one name for each of 3 logits, got 2"),
        ({"front_end": front_end(layout="batch bands frames")}, "cannot run on the front end"),
    ],
)
def test_hooked_refuses_wrong_settings(changes, message):
    """The error says what to change."""
    with pytest.raises(InputError, match=message):
        hooked(**changes)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (lambda logits: logits.softmax(dim=1), "without softmax"),
        (lambda logits: logits.detach(), "gradients of the logits must reach the input"),
        (lambda logits: logits.mean(), "output of the body must be one tensor"),
    ],
)
def test_hooked_refuses_wrong_networks(end, message):
    """Probabilities, cut gradients and other outputs."""
    names = {"head": "body.fc", "hidden": ("body.layer2", "body.layer1")}
    with pytest.raises(InputError, match=message):
        hooked(Detached(end), **names)


def test_hooked_refuses_probabilities():
    """A head that is not linear may end in a softmax, too."""
    names = {"head": "", "hidden": ("body.layer2", "body.layer1")}
    with pytest.raises(InputError, match="got probabilities"):
        hooked(Detached(lambda logits: logits.softmax(dim=1)), **names)


def test_hooked_refuses_the_other_layout():
    """The bins of a map do not depend on the length of a clip."""

    class Transposed(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = small_cnn()

        def forward(self, inputs):
            return self.body(inputs.transpose(2, 3))

    with pytest.raises(InputError, match="the other layout"):
        hooked(Transposed(), head="body.fc", hidden=("body.layer2",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "frames"}, "layout must be one of batch 1 frames bands"),
        ({"compression": "cube"}, "compression must be a function or one of log, log1p"),
        ({"bands": torch.ones(40, 257)}, "got 40 rows. Transpose them"),
        ({"hop_length": 400}, "hop_length must be 1 to 256, got 400"),
    ],
)
def test_front_end_refuses_wrong_settings(changes, message):
    """The error names the setting."""
    with pytest.raises(InputError, match=message):
        hooked(front_end=front_end(**changes))


@pytest.mark.parametrize("compression", ["log1p", "db", "none", torch.sqrt])
@pytest.mark.parametrize("magnitude", [False, True])
def test_front_end_equals_torchaudio(clips, compression, magnitude):
    """Each compression, on magnitude or power."""
    mel = torchaudio.transforms.MelSpectrogram(
        SAMPLE_RATE, n_fft=512, hop_length=160, n_mels=40, power=1 if magnitude else 2
    )(clips).transpose(1, 2)
    functions = {"log1p": torch.log1p, "db": lambda x: 10 * x.clamp(min=1e-5).log10()}
    functions["none"] = lambda x: x
    expected = functions.get(compression, compression)(mel)
    own = front_end(compression=compression, magnitude=magnitude, mean=0.0, std=1.0)
    power = power_of(own.spectrogram()(clips))
    found = own.body_input(own.mel(power, own.filterbank)).squeeze(1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_short_clips_are_padded(clips):
    """A network with large kernels encodes clips of one sample, and longer ones unchanged."""
    body = nn.Sequential(nn.Conv2d(1, 8, 30), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    body.append(nn.Linear(8, 3))
    classifier = hooked(body, head="3", hidden=("0",))
    assert classifier.shortest == 30
    expected = body(log_mel(clips).unsqueeze(1))
    torch.testing.assert_close(logits_of(classifier, clips), expected, rtol=1e-5, atol=1e-5)
    assert classifier(clips[:, :1]).vector.isfinite().all()


def test_fixed_length_repeats_short_clips(clips):
    """A body of fixed length encodes the clip, repeated to that length."""
    body = small_cnn()
    classifier = hooked(body, front_end=front_end(seconds=1.0))
    expected = body(log_mel(clips.repeat(1, 2)).unsqueeze(1))
    torch.testing.assert_close(logits_of(classifier, clips), expected, rtol=1e-5, atol=1e-5)
    assert classifier.class_names == NAMES
