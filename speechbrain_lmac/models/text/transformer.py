"""Text encoders of transformers with a projection, and their tokenizers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from torch.nn.functional import normalize

from speechbrain_lmac.models import checkpoints
from speechbrain_lmac.models.state_dicts import build_within, check_size, load_strictly, read_shapes
from speechbrain_lmac.models.text import checks
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.hub import hub_folder

KNOWN = {
    "FacebookAI/roberta-base": "e2da8e2f811d1448a5b465c236feacd80ffbac7b",
    "google-bert/bert-base-uncased": "86b5e0934494bd15c9632b12f734a8a67f723594",
}
"""Tokenizers of published CLAPs and the commits that are downloaded."""
FILES = ("*.json", "*.txt")
"""Files of a tokenizer in a repository."""
VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt")
MIN_VOCABULARY = 1000
SPARE_ROWS = 128
"""Largest number of embeddings beyond the tokenizer's vocabulary, from rounding up."""
PROBES = ("a dog barks", "rain falls")
HEAD_WIDTH = 64
"""Width of an attention head in BERT and RoBERTa; shapes do not show the number of heads."""


class Sentences(nn.Module):
    """Text encoder: tokenizer, transformer and projection.

    Arguments
    ---------
    tokenizer : transformers.PreTrainedTokenizerBase
        Tokenizer, as :func:`load_tokenizer` returns it.
    encoder : torch.nn.Module
        Text encoder of transformers.
    projection : torch.nn.Module
        Projection from the pooled output to the embedding.
    pick : callable
        Function of the encoder's output that returns the pooled output ``[prompts, width]``.
    longest : int
        Largest number of tokens of a prompt; longer prompts are truncated.

    Raises
    ------
    InputError
        If the tokenizer does not fit the encoder.
    """

    def __init__(
        self,
        tokenizer: Any,
        encoder: Any,
        projection: nn.Module,
        pick: Callable[[Any], torch.Tensor],
        longest: int,
    ):
        super().__init__()
        rows = encoder.config.vocab_size
        if not 0 <= rows - len(tokenizer) < SPARE_ROWS:
            raise InputError(
                f"the tokenizer must have the {rows} tokens of this CLAP, got "
                f"{len(tokenizer)}. Give the right one as `tokenizer`"
            )
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.projection = projection
        self.pick = pick
        self.longest = longest

    def read(self, text: str, content: str) -> checks.TextCoverage:
        """Coverage of a prompt: :class:`~speechbrain_lmac.models.text.checks.TextCoverage`."""
        return checks.read(self.tokenizer, text, content, self.longest)

    def forward(self, prompts: list[str]) -> torch.Tensor:
        """Embed ``prompts`` (list of str) -> ``[prompts, dim]``, unit norm."""
        tokens = self.tokenizer(
            prompts, padding=True, truncation=True, max_length=self.longest, return_tensors="pt"
        ).to(next(self.encoder.parameters()).device)
        states = self.encoder(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
        return normalize(self.projection(self.pick(states)), dim=-1)


def text_config(kind: Callable[..., Any], state: Mapping[str, torch.Tensor], **extra: float) -> Any:
    """Configuration of a text encoder, from the shapes of its weights.

    Arguments
    ---------
    kind : type
        ``RobertaConfig`` or ``BertConfig`` of transformers.
    state : dict
        Weights by transformers' names; KeyError if a required one is missing.
    **extra
        Settings that shapes do not show.
    """
    vocabulary, width = state["embeddings.word_embeddings.weight"].shape
    layers = {name.split(".")[2] for name in state if name.startswith("encoder.layer.")}
    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": len(layers),
        "intermediate_size": len(state["encoder.layer.0.intermediate.dense.weight"]),
        "max_position_embeddings": len(state["embeddings.position_embeddings.weight"]),
        "type_vocab_size": len(state["embeddings.token_type_embeddings.weight"]),
    }
    check_size(sizes, "the text encoder")
    return kind(num_attention_heads=max(1, width // HEAD_WIDTH), **sizes, **extra)


def build_text(make: Callable[[], Any], state: Mapping[str, torch.Tensor], what: str) -> Any:
    """Build a text encoder with its weights, unless it would be larger than the weights.

    Arguments
    ---------
    make : callable
        Function that builds the encoder.
    state : dict
        Weights by transformers' names.
    what : str
        Name of the weights in an error.
    """
    encoder = read_shapes(what, lambda: build_within(make, state, what))
    load_strictly(encoder, state, what, ignored=["position_ids"])
    return encoder


def load_tokenizer(source: str | Path, revision: str | None = None) -> Any:
    """Load a tokenizer and verify that it has a vocabulary.

    transformers may return a tokenizer without a vocabulary, for which all prompts are equal, and
    retries for minutes without a network.

    Arguments
    ---------
    source : str or Path
        Folder, or Hugging Face Hub id.
    revision : str
        Git revision of the Hub repository. Default: the commit of ``KNOWN``, else the latest.

    Returns
    -------
    transformers.PreTrainedTokenizerBase

    Raises
    ------
    InputError
        If the tokenizer cannot be loaded; within seconds, with a remedy.
    """
    from speechbrain_lmac.models.lazy_transformers import AutoTokenizer

    remedy = f"Give `tokenizer`: a folder that holds {source}'s tokenizer files"
    folder = Path(source)
    if not folder.is_dir():
        fixed = KNOWN.get(str(source)) if revision is None else revision
        folder = hub_folder(str(source), FILES, fixed, any_of=VOCABULARIES, remedy=remedy)
    try:
        with checks.no_panic(f"the tokenizer in {folder}"):
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            first, second = (tokenizer(probe)["input_ids"] for probe in PROBES)
    except InputError:
        raise
    except (*checkpoints.FAILURES, StrictDataclassError) as error:
        raise InputError(f"{folder} holds no tokenizer ({first_line(error)}). {remedy}") from error
    if len(tokenizer) < MIN_VOCABULARY or first == second:
        raise InputError(
            f"the tokenizer in {folder} has no vocabulary ({len(tokenizer)} tokens). {remedy}"
        )
    return tokenizer
