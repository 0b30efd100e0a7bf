"""Base class of the supervised classifiers: the queries are the rows of the head.

With ``e`` the features before the last linear layer and ``R`` the largest norm of its rows,

    logit_k = w_k . e + b_k = R [e, 1, 0] . v_k,    v_k = [w_k, b_k, rest_k] / R,    norm(v_k) = 1.

The identity is exact. A supervised classifier is a CLAP whose text encoder is a table.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch.nn.functional import pad

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.data.prompts import TEMPLATE
from speechbrain_lmac.models.base import AudioClassifier, AudioEncoding
from speechbrain_lmac.models.class_set import ClassSet
from speechbrain_lmac.models.classifiers.names import ClassNames
from speechbrain_lmac.models.input_window import VariableLengthInput
from speechbrain_lmac.models.question_words import CLASS
from speechbrain_lmac.utils.errors import InputError

SAME_CLASS = 1 - 1e-5
"""Cosine similarity of two query vectors of the same class."""
LABEL_MIN_PRESENCE = 0.01
"""Probability below which a label of a multi-label classifier counts as absent. Sigmoid heads with
hundreds of labels give low probabilities to sounds that are there."""
LABEL_CHANCE = 0.1
"""Probability from which a label of a multi-label classifier counts fully in training."""


class ExclusiveClasses(ClassSet):
    """All classes of a softmax head. A query competes with every other class."""

    def competing_logits(
        self, vector: torch.Tensor, query: torch.Tensor, target: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits ``[..., classes]`` of all other classes of the head.

        The class of a query is found by its vector: ``target``, an index among the classes in
        use, is not needed.
        """
        logits = self.classifier.logits(vector, self.queries)
        own = query @ self.queries.T > SAME_CLASS
        return logits.masked_fill(own, -torch.inf)


class IndependentLabels(ClassSet):
    """Labels of a sigmoid head. Each competes with its absence only, whose logit is 0."""

    @property
    def inverse_chance(self) -> float:
        return 1 / LABEL_CHANCE

    def competing_logits(
        self, vector: torch.Tensor, query: torch.Tensor, target: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logit ``[..., 1]`` of the absence of each label: 0."""
        return torch.zeros_like(self.classifier.paired_logits(vector, query)).unsqueeze(-1)


class SupervisedClassifier(AudioClassifier):
    """Frozen supervised classifier: front end, body, and a linear head.

    An adapter writes :meth:`features`, ``audio_blocks`` and ``reference``. ``audio_blocks`` leaves
    out the head, whose weights are the query vectors.

    Arguments
    ---------
    sample_rate, spectrogram, filterbank, window
        Front end; see :class:`~speechbrain_lmac.models.base.AudioClassifier`.
    class_names : sequence of str
        Name of every class of the head, in the order of its logits.
    weight : torch.Tensor
        Weights of the head, ``[classes, dim]``. A cosine head passes normalized features and
        weights, times its scale.
    bias : torch.Tensor
        Biases of the head, ``[classes]``. Default: zeros.
    multilabel : bool
        Whether classes are independent labels (sigmoid), or exclusive (softmax). Default: False.

    Raises
    ------
    InputError
        If the names are not one for each class, or not unique.
    """

    method_family = "L-MAC"
    question_words = CLASS
    class_names: tuple[str, ...]
    head_queries: torch.Tensor

    def __init__(
        self,
        sample_rate: int,
        spectrogram: Spectrogram,
        filterbank: torch.Tensor,
        class_names: Sequence[str],
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        multilabel: bool = False,
        window: VariableLengthInput | None = None,
    ):
        super().__init__(sample_rate, spectrogram, filterbank, window)
        self.set_head(class_names, weight, bias, multilabel)

    def set_head(
        self,
        class_names: Sequence[str],
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        multilabel: bool = False,
    ) -> None:
        """Set or replace the head; the arguments are those of the class."""
        self.names = ClassNames(class_names, len(weight))
        self.class_names = self.names.names
        self.multilabel = multilabel
        self.min_presence = LABEL_MIN_PRESENCE if multilabel else AudioClassifier.min_presence
        queries, self.logit_scale = head_queries(weight.detach(), bias)
        self.query_dim = queries.shape[1]
        self.register_buffer("head_queries", queries, persistent=False)

    @abstractmethod
    def features(self, mel: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Features before the head ``[batch, dim]``, and hidden maps, of mel power.

        Arguments
        ---------
        mel : torch.Tensor
            Mel power, ``[batch, encoder frames, bands]``.

        Returns
        -------
        torch.Tensor, tuple of torch.Tensor
            Features, and hidden maps ``[batch, channels, frames', bins']``, deepest first.
        """

    def encode(self, mel: torch.Tensor) -> AudioEncoding:
        """Encode mel power into ``[features, 1, 0]`` and hidden maps."""
        features, hidden = self.features(mel)
        return AudioEncoding(pad(pad(features, (0, 1), value=1.0), (0, 1)), hidden)

    def queries(self, questions: Sequence[str], distinct: bool = True) -> torch.Tensor:
        """Return the query vectors ``[questions, query_dim]`` of class names.

        Raises
        ------
        InputError
            If the head has no class of that name; with the nearest names. Also if two names are
            spellings of one class and ``distinct`` is true.
        """
        return self.head_queries[self._indices(questions, distinct)]

    def spell(self, questions: Sequence[str]) -> list[str]:
        """Class names as in the head; InputError as in :meth:`queries`."""
        return [self.class_names[i] for i in self._indices(questions, distinct=True)]

    def _indices(self, questions: Sequence[str], distinct: bool) -> list[int]:
        """Return the indices of class names; InputError as in :meth:`queries`."""
        indices = {name: self.names.index(name) for name in questions}
        if distinct and len(set(indices.values())) < len(indices):
            raise InputError(f"classes must be different, got two spellings in {[*indices]!r}")
        return [indices[name] for name in questions]

    def class_queries(
        self, names: Sequence[str], templates: Sequence[str] | None = None
    ) -> torch.Tensor:
        """Return the query vectors ``[names, query_dim]`` of class names; without templates."""
        return self.queries(names)

    def question(self, name: str, template: str = TEMPLATE) -> str:
        """Question of a class name: the name itself."""
        return name

    def probabilities(self, vector: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Probability of each query among all classes of the head, ``[..., queries]``."""
        logits = self.logits(vector, queries)
        if self.multilabel:
            return logits.sigmoid()
        every = self.logits(vector, self.head_queries).logsumexp(dim=-1, keepdim=True)
        return (logits - every).exp()

    def competing(self, queries: torch.Tensor) -> ClassSet:
        """Classes of the head, whatever classes are in use."""
        kind = IndependentLabels if self.multilabel else ExclusiveClasses
        return kind(self.head_queries, self)

    def presence(self, vector: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Probability of each query, ``[batch, queries]``: :meth:`probabilities`."""
        return self.probabilities(vector, queries)

    def competing_queries(self, query: torch.Tensor) -> torch.Tensor:
        """Query ``[1, dim]`` alone: :meth:`probabilities` compares it with the head's classes."""
        return query


def head_queries(
    weight: torch.Tensor, bias: torch.Tensor | None = None
) -> tuple[torch.Tensor, float]:
    """Query vectors of the rows of a head, and the factor from dot product to logit.

    Arguments
    ---------
    weight : torch.Tensor
        Weights, ``[classes, dim]``.
    bias : torch.Tensor
        Biases, ``[classes]``. Default: zeros.

    Returns
    -------
    torch.Tensor, float
        Query vectors of unit norm, ``[classes, dim + 2]``, and the largest norm of a row.

    Example
    -------
    >>> bias = torch.tensor([4.0, 0.0])
    >>> queries, scale = head_queries(torch.tensor([[3.0, 0.0], [0.0, 2.0]]), bias)
    >>> scale * queries @ torch.tensor([1.0, 5.0, 1.0, 0.0])
    tensor([ 7., 10.])
    """
    bias = weight.new_zeros(len(weight)) if bias is None else bias.detach()
    rows = torch.cat([weight, bias.unsqueeze(1)], dim=1).double()
    scale = rows.norm(dim=1).max().clamp(min=1e-12)
    rows = rows / scale
    rest = (1 - rows.square().sum(dim=1, keepdim=True)).clamp(min=0).sqrt()
    return torch.cat([rows, rest], dim=1).float(), scale.item()
