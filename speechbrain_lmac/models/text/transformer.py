"""Prompts to embeddings by a Hugging Face text encoder and a projection."""

from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from torch import nn
from torch.nn.functional import normalize

from speechbrain_lmac.models import checkpoints
from speechbrain_lmac.models.checkpoints import build_within, check_size, load_strictly, read_shapes
from speechbrain_lmac.models.text import checks
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.hub import hub_folder

KNOWN = {
    "FacebookAI/roberta-base": "e2da8e2f811d1448a5b465c236feacd80ffbac7b",
    "google-bert/bert-base-uncased": "86b5e0934494bd15c9632b12f734a8a67f723594",
}
"""Tokenizers that published CLAPs share, and the commits at which they are fetched."""
FILES = ("*.json", "*.txt")
"""Of a repository, that a tokenizer is made of."""
VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt")
MIN_VOCABULARY = 1000
SPARE_ROWS = 128
"""That a text encoder may have beyond its tokenizer's vocabulary, to round a size up."""
PROBES = ("a dog barks", "rain falls")
HEAD_WIDTH = 64
"""Of attention heads, in BERT and RoBERTa alike: their number does not show in shapes."""


class Sentences(nn.Module):
    """Embed sentences.

    Arguments
    ---------
    tokenizer : transformers.PreTrainedTokenizerBase
        Of :func:`load_tokenizer`.
    encoder : torch.nn.Module
        transformers' text encoder.
    projection : torch.nn.Module
        From what ``pick`` takes of the encoder's output to the embedding.
    pick : callable
        Encoder's output -> ``[prompts, width]``.
    longest : int
        Tokens of a prompt; what lies beyond is not read.

    Raises
    ------
    InputError
        If the tokenizer is not the encoder's.
    """

    def __init__(self, tokenizer, encoder, projection, pick, longest):
        super().__init__()
        rows = encoder.config.vocab_size
        if not 0 <= rows - len(tokenizer) < SPARE_ROWS:
            raise InputError(
                f"the tokenizer, of {len(tokenizer)} tokens, is not this CLAP's, which knows "
                f"{rows}; give the right one as `tokenizer`"
            )
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.projection = projection
        self.pick = pick
        self.longest = longest

    def read(self, text, content):
        """What is read of a prompt: :class:`~speechbrain_lmac.models.text.checks.TextCoverage`."""
        return checks.read(self.tokenizer, text, content, self.longest)

    def forward(self, prompts):
        """Embed ``prompts`` (list of str) -> ``[prompts, dim]``, unit norm."""
        tokens = self.tokenizer(
            prompts, padding=True, truncation=True, max_length=self.longest, return_tensors="pt"
        ).to(next(self.encoder.parameters()).device)
        states = self.encoder(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
        return normalize(self.projection(self.pick(states)), dim=-1)


def text_config(kind, state, **rest):
    """Configuration of a text encoder, read from the shapes of its weights.

    Arguments
    ---------
    kind : type
        ``RobertaConfig`` or ``BertConfig`` of transformers.
    state : dict
        Weights by transformers' names; KeyError if one that is needed is absent.
    **rest
        What does not show in shapes.
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
    return kind(num_attention_heads=max(1, width // HEAD_WIDTH), **sizes, **rest)


def build_text(make, state, what):
    """A text encoder with its weights; none is built that is larger than what there is of it.

    Arguments
    ---------
    make : callable
        Builds the encoder, of settings that were read from shapes.
    state : dict
        Weights by transformers' names.
    what : str
        What to call them in an error.
    """
    encoder = read_shapes(what, lambda: build_within(make, state, what))
    load_strictly(encoder, state, what, ignored=["position_ids"])
    return encoder


def load_tokenizer(source, revision=None):
    """A tokenizer that is really there.

    transformers may hand out a tokenizer without a vocabulary, to which all prompts are alike,
    and without a network tries for minutes.

    Arguments
    ---------
    source : str or Path
        A folder, or a Hugging Face Hub id.
    revision : str
        Of the Hub repository; of a known one, the commit of ``KNOWN`` by default.

    Returns
    -------
    transformers.PreTrainedTokenizerBase

    Raises
    ------
    InputError
        Within seconds, with the remedy.
    """
    from transformers import AutoTokenizer

    remedy = f"give `tokenizer`: a folder that holds {source}'s tokenizer files"
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
        raise InputError(f"{folder} holds no tokenizer ({first_line(error)}); {remedy}") from error
    if len(tokenizer) < MIN_VOCABULARY or first == second:
        raise InputError(
            f"the tokenizer in {folder} has no vocabulary ({len(tokenizer)} tokens): all prompts "
            f"would be alike; {remedy}"
        )
    return tokenizer
