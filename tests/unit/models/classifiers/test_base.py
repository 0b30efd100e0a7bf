"""Contract of supervised classifiers: the query vectors are the rows of the head."""

import pytest
import torch
from torch import nn

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.models.base import WeightsReference
from speechbrain_lmac.models.classifiers.base import SupervisedClassifier, head_queries
from speechbrain_lmac.models.classifiers.names import ClassNames
from speechbrain_lmac.models.text import minilm
from speechbrain_lmac.utils.errors import InputError

NAMES = ("Dog", "Church_bells", "Rain", "Sea waves")


class MeanBands(SupervisedClassifier):
    """Classifier whose features are the log means of four mel bands."""

    hidden_channels = (1,)

    def __init__(self, multilabel=False, weight=None, bias=None):
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(4, 4, generator=generator) if weight is None else weight
        bias = torch.randn(4, generator=generator) if bias is None else bias
        self.head = (weight, bias)
        bank = torch.eye(4).repeat_interleave(32, dim=0)
        front_end = (8000, Spectrogram(254, 127), bank)
        super().__init__(*front_end, NAMES, weight, bias, multilabel)

    def features(self, mel):
        return mel.mean(dim=1).add(1e-6).log(), (mel.unsqueeze(1),)

    @property
    def audio_blocks(self):
        return (nn.Identity(),)

    @property
    def reference(self):
        return WeightsReference("bands", "1", "0")


@pytest.fixture(params=[False, True], ids=["softmax", "sigmoid"])
def bands(request):
    """Return a classifier with exclusive classes, and one with independent labels."""
    return MeanBands(request.param)


@pytest.fixture
def mel():
    """Return the mel power of three clips."""
    return torch.rand(3, 9, 4, generator=torch.Generator().manual_seed(1))


def test_min_presence_depends_on_the_head(bands):
    """Labels that are there may have low probabilities, exclusive classes do not."""
    assert bands.min_presence == (0.01 if bands.multilabel else 0.05)


def test_spell_is_the_name_in_the_head(bands):
    """Any case, underscores or spaces; other texts are refused."""
    assert bands.spell(["dog", "church bells"]) == ["Dog", "Church_bells"]
    with pytest.raises(InputError, match="Did you mean 'Dog'"):
        bands.spell(["dogs"])
    with pytest.raises(InputError, match="two spellings"):
        bands.spell(["dog", "DOG"])


def head_logits(classifier, mel):
    """Return the logits of the head as a linear layer computes them."""
    weight, bias = classifier.head
    return classifier.features(mel)[0] @ weight.T + bias


def test_logits_equal_the_head(bands, mel):
    """``R [e, 1, 0] . v_k`` equals ``w_k . e + b_k``; the query vectors have unit norm."""
    queries = bands.queries(NAMES)
    logits = bands.logits(bands.encode(mel).vector, queries)
    torch.testing.assert_close(logits, head_logits(bands, mel), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(queries.norm(dim=1), torch.ones(4))
    wrong = torch.roll(head_logits(bands, mel), 1, dims=1)  # another order of the classes
    assert (logits - wrong).abs().max() > 1e-4


def test_head_queries_keep_double_precision():
    """A head with rows of very different norms keeps its logits."""
    weight = torch.tensor([[3e4, -1e4], [1e-3, 2e-3]])
    bias = torch.tensor([-7.0, 5.0])
    queries, scale = head_queries(weight, bias)
    vector = torch.tensor([0.3, -0.2, 1.0, 0.0])
    expected = weight @ vector[:2] + bias
    torch.testing.assert_close(scale * queries @ vector, expected, rtol=1e-5, atol=1e-3)


def test_probabilities_equal_the_head(mel):
    """They are the head's softmax over all classes, also of a subset, or its sigmoid."""
    for multilabel in (False, True):
        classifier = MeanBands(multilabel)
        logits = head_logits(classifier, mel)
        expected = logits.sigmoid() if multilabel else logits.softmax(dim=1)
        vector = classifier.encode(mel).vector
        some = classifier.probabilities(vector, classifier.queries(["Rain", "Dog"]))
        torch.testing.assert_close(some, expected[:, [2, 0]], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(
            classifier.presence(vector, classifier.queries(["Rain"])), some[:, :1]
        )


def test_log_odds_give_the_probabilities(bands, mel):
    """The classes in use and the targets do not matter: those of the head compete."""
    vector = bands.encode(mel).vector
    classes = bands.competing(bands.queries(["Dog", "Rain"]))
    for index, name in enumerate(NAMES):
        query = bands.queries([name])
        odds = classes.log_odds(vector, query.expand(3, -1), torch.full((3,), -1))
        expected = bands.probabilities(vector, query).squeeze(1)
        torch.testing.assert_close(odds.sigmoid(), expected, rtol=1e-4, atol=1e-6)
        column = classes.probabilities(vector)[:, index]
        torch.testing.assert_close(column, expected, rtol=1e-4, atol=1e-6)


def test_sigmoid_log_odds_equal_the_logits(mel):
    """A label competes with its absence, whose logit is 0: exactly the head's sigmoid."""
    classifier = MeanBands(multilabel=True)
    vector, queries = classifier.encode(mel).vector, classifier.queries(NAMES)
    logits = classifier.logits(vector, queries)
    odds = classifier.competing(queries).log_odds(
        vector.unsqueeze(1).expand(-1, 4, -1), queries.expand(3, -1, -1), None
    )
    torch.testing.assert_close(odds.sigmoid(), logits.sigmoid(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("multilabel", [False, True])
def test_leads_follows_the_head(mel, multilabel):
    """The class of the softmax's maximum leads; a label leads from a probability of one half on.

    The classes in use do not matter.
    """
    classifier = MeanBands(multilabel=multilabel)
    logits = head_logits(classifier, mel)
    first = logits.argmax(dim=1).unsqueeze(1) == torch.arange(len(NAMES))
    expected = logits.sigmoid() > 0.5 if multilabel else first
    assert expected.any() and not expected.all()
    vector, queries = classifier.encode(mel).vector, classifier.queries(NAMES)
    classes = classifier.competing(queries[1:])
    for query, column in zip(queries, expected.T):
        leads = classes.leads(vector, query.expand(3, -1), torch.full((3,), -1))
        assert leads.tolist() == column.tolist()


def test_contrast_equals_the_logit_difference(bands, mel):
    """``z_a - z_b = R e . (v_a - v_b)``."""
    first, second = bands.queries(["Dog", "Sea waves"])
    contrast = bands.logits(bands.encode(mel).vector, (first - second).unsqueeze(0)).squeeze(1)
    logits = head_logits(bands, mel)
    torch.testing.assert_close(contrast, logits[:, 0] - logits[:, 3], rtol=1e-4, atol=1e-4)


def test_queries_find_names_in_other_spellings(bands):
    """Case, underscores and spaces do not matter; the question of a class is its name.

    Two spellings of one class are refused, except in training.
    """
    torch.testing.assert_close(
        bands.queries(["dog", "church bells", "SEA_WAVES"]), bands.head_queries[[0, 1, 3]]
    )
    assert bands.question("Dog", "the sound of {}") == "Dog"
    with pytest.raises(InputError, match="must be different, got two spellings"):
        bands.queries(["Dog", "Rain", "dog"])
    assert len(bands.queries(["Dog", "Rain", "dog"], distinct=False)) == 3


@pytest.mark.skipif(not minilm.is_installed(), reason="the sentence encoder is not installed")
def test_nearest_names_have_similar_meanings(monkeypatch):
    """A typing error is answered by its spelling, another word by its meaning."""
    names = ClassNames(["Dog", "Sound effect", "Cat", "Siren"])
    assert names.nearest("hound") == ["Dog"]
    assert names.nearest("sirne")[0] == "Siren"
    monkeypatch.setattr(minilm, "is_installed", lambda: False)
    assert names.nearest("hound") == ["Sound effect"]


def test_unknown_class_names_the_nearest(bands):
    """The error suggests similar names, or the first one."""
    with pytest.raises(InputError, match=r"one of 4, got .dogs.\. Did you mean .Dog."):
        bands.queries(["dogs"])
    with pytest.raises(InputError, match=r"got .xylophone.\. The first one is .Dog."):
        bands.queries(["xylophone"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b", "c"], "one name for each of 4 logits, got 3"),
        (["a", "b", "c", "A "], "different, got 'a' twice"),
        (["a", "b", "c", "d\n"], "printable text, got 'd.n'"),
        (["a", "b", "c", ""], "printable text, got ''"),
        ("abcd", "at least two names, got 'abcd'"),
    ],
)
def test_class_names_are_checked(names, message):
    """There is one unique, printable name for each logit."""
    with pytest.raises(InputError, match=message):
        ClassNames(names, 4)
