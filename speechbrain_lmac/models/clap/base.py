"""Base class of the CLAP adapters: an audio classifier whose queries are text embeddings."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch.nn.functional import normalize

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.data.labels import ESC50_CLASSES
from speechbrain_lmac.data.prompts import TEMPLATE, class_prompt, label_to_words, strip_template
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.models.input_window import VariableLengthInput
from speechbrain_lmac.models.text import checks
from speechbrain_lmac.utils.errors import InputError

SAME_MEANING_COSINE = 0.75
"""Cosine similarity from which a class name has the meaning of a prompt and does not compete with
it. In MiniCLAP, three quarters of the paraphrases of the class names are at least this similar."""


class CLAP(AudioClassifier):
    """Frozen CLAP: front end, audio encoder and text encoder.

    An adapter fixes the constants of the front end and writes ``encode``, ``encode_text``,
    ``logit_scale``, ``audio_blocks`` and ``reference``.

    Arguments
    ---------
    sample_rate, spectrogram, filterbank, window
        Front end; see :class:`~speechbrain_lmac.models.base.AudioClassifier`.
    """

    text_encoder: Any
    """Text encoder, with ``read(text, content)`` that returns a
    :class:`~speechbrain_lmac.models.text.checks.TextCoverage`."""

    def __init__(
        self,
        sample_rate: int,
        spectrogram: Spectrogram,
        filterbank: torch.Tensor,
        window: VariableLengthInput | None = None,
    ):
        super().__init__(sample_rate, spectrogram, filterbank, window)
        self._embeddings: dict[str, torch.Tensor] = {}
        self._token_keys: dict[str, tuple[str, ...]] = {}

    @property
    @abstractmethod
    def logit_scale(self) -> float | torch.Tensor:
        """Factor from cosine to logit: the exponential of the papers' logit scale."""

    @abstractmethod
    def encode_text(self, prompts: list[str]) -> torch.Tensor:
        """Embed prompts without a cache -> ``[prompts, query_dim]``, unit norm."""

    def prompt_text(self, prompt: str) -> str:
        """Text that the text encoder is given for a prompt. Default: the prompt itself."""
        return prompt

    def check_queries(self, prompts: Sequence[str], distinct: bool = True) -> None:
        """Refuse prompts that the text encoder cannot encode or cannot distinguish.

        A partly encoded prompt is a warning. Equal prompts count once.

        Arguments
        ---------
        prompts : list of str
            Prompts of one call.
        distinct : bool
            Whether the prompts must be distinguishable.

        Raises
        ------
        InputError
            If a prompt is not encoded, or equals another one for the text encoder.
        """
        for prompt in prompts:
            if prompt not in self._token_keys:
                self._token_keys[prompt] = checks.check(prompt, self._coverage)
        if distinct:
            checks.check_apart({prompt: self._token_keys[prompt] for prompt in prompts})

    def _coverage(self, prompt: str) -> checks.TextCoverage:
        return self.text_encoder.read(self.prompt_text(prompt), strip_template(prompt))

    @torch.no_grad()
    def queries(self, questions: Sequence[str], distinct: bool = True) -> torch.Tensor:
        """Embed prompts -> ``[prompts, query_dim]``, unit norm; each prompt once.

        Prompts are embedded one by one and cached. In a batch the last digits would depend on the
        other prompts, and a resumed run on what was cached before.

        Arguments
        ---------
        questions : list of str
            Prompts.
        distinct : bool
            Whether two prompts with the same tokens are an error. Captions may share them.

        Raises
        ------
        InputError
            If :meth:`check_queries` refuses a prompt.
        """
        self.check_queries(questions, distinct)
        for prompt in questions:
            if prompt not in self._embeddings:
                self._embeddings[prompt] = self._encode_in_float32([prompt])[0].cpu()
        return torch.stack([self._embeddings[prompt] for prompt in questions]).to(self.device)

    def class_queries(
        self, names: Sequence[str], templates: Sequence[str] | None = None
    ) -> torch.Tensor:
        """Embed class names -> ``[names, query_dim]``, unit norm, averaged over templates.

        Arguments
        ---------
        names : sequence of str
            Class names.
        templates : list of str
            Sentences with one ``{}`` for the name. Default: ``["this is the sound of {}"]``.

        Raises
        ------
        InputError
            If ``templates`` is no such list, or a name cannot be encoded.
        """
        templates = [TEMPLATE] if templates is None else templates
        if not isinstance(templates, list | tuple) or not templates:
            raise InputError(
                f"templates must be a list of sentences, got {templates!r}. Give, for example, "
                f"[{TEMPLATE!r}]"
            )
        for template in templates:
            if not isinstance(template, str) or template.count("{}") != 1:
                raise InputError(
                    f"a template must be a text with one {{}} for the class name, got {template!r}"
                )
        self.check_queries([label_to_words(name) for name in names])
        embeddings = [
            self.queries([class_prompt(name, template) for name in names]) for template in templates
        ]
        first, *others = embeddings
        return normalize(sum(others, start=first), dim=-1) if others else first

    def question(self, name: str, template: str = TEMPLATE) -> str:
        """Prompt of a class name: the name in a template."""
        return class_prompt(name, template)

    @cached_property
    def everyday_sounds(self) -> torch.Tensor:
        """Embeddings of the 50 classes of ESC-50, ``[50, query_dim]``, encoded in one batch."""
        prompts = [class_prompt(name) for name in ESC50_CLASSES]
        self.check_queries(prompts)
        return self._encode_in_float32(prompts)

    @torch.no_grad()
    def _encode_in_float32(self, prompts: list[str]) -> torch.Tensor:
        """Embeddings ``[prompts, query_dim]``, also under autocast to a coarser type."""
        with torch.autocast(self.device.type, enabled=False):
            return self.encode_text(prompts)

    def competing_queries(self, query: torch.Tensor) -> torch.Tensor:
        """Query ``[1, dim]`` and the everyday sounds of another meaning, ``[1 + sounds, dim]``."""
        competing = (query @ self.everyday_sounds.T < SAME_MEANING_COSINE).squeeze(0)
        return torch.cat([query, self.everyday_sounds[competing]])

    @torch.no_grad()
    def presence(self, vector: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Probability of each query against 50 everyday sounds, ``[batch, queries]``.

        The softmax over the user's own prompts only ranks them, and is 1 for a single prompt. The
        class names of ESC-50 serve as competing classes, so that a prompt can be absent.
        """
        logits = self.logits(vector, self.everyday_sounds)
        same_meaning = queries @ self.everyday_sounds.T >= SAME_MEANING_COSINE
        competing = logits.unsqueeze(1).masked_fill(same_meaning, -torch.inf).logsumexp(dim=-1)
        return (self.logits(vector, queries) - competing).sigmoid()
