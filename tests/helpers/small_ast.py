"""Folders of transformers' AST with random weights, for plumbing only."""

import torch
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

NAMES = ("siren", "rain", "dog", "Church bells", "sea waves")
MEAN, STD = -4.0, 3.5


def write_ast(folder, longest=1024, layers=3, **changes):
    """Write an AST of few channels and its feature extractor; return the folder."""
    torch.manual_seed(3)
    settings = {"hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 96}
    settings |= {"num_hidden_layers": layers, "max_length": longest, "initializer_range": 0.2}
    names = {"id2label": dict(enumerate(NAMES)), "label2id": {n: i for i, n in enumerate(NAMES)}}
    model = ASTForAudioClassification(ASTConfig(**{**settings, **names, **changes})).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "token" in name or "position" in name or "bias" in name or "norm" in name:
                weight.normal_(0.5 if "norm" in name else 0, 0.3)
    model.save_pretrained(folder)
    ASTFeatureExtractor(max_length=longest, mean=MEAN, std=STD).save_pretrained(folder)
    return folder
