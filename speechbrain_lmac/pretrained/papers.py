"""Papers of the methods, and the tags of their model cards."""

from typing import NamedTuple


class Paper(NamedTuple):
    """Paper that describes a family of methods."""

    title: str
    name: str
    """Name of the method and of the conference."""
    tags: tuple[str, ...]
    """Tags of a repository on the Hub."""
    key: str
    """Key of the BibTeX entry."""
    authors: str
    booktitle: str
    year: int


PAPERS = {
    "LMAC-ZS": Paper(
        "Listenable Maps for Zero-Shot Audio Classifiers",
        "LMAC-ZS, NeurIPS 2024",
        ("audio", "explainability", "clap", "zero-shot-audio-classification", "lmac"),
        "paissan2024lmaczs",
        "Paissan, Francesco and Della Libera, Luca and Ravanelli, Mirco and Subakan, Cem",
        "Advances in Neural Information Processing Systems",
        2024,
    ),
    "L-MAC": Paper(
        "Listenable Maps for Audio Classifiers",
        "L-MAC, ICML 2024",
        ("audio", "explainability", "audio-classification", "lmac"),
        "paissan2024lmac",
        "Paissan, Francesco and Ravanelli, Mirco and Subakan, Cem",
        "International Conference on Machine Learning",
        2024,
    ),
}
"""Family of the methods that explain a classifier -> its paper."""
