"""LMAC-ZS among the explainers."""


def lmac_zs(model, analysis, text, seeds):
    """The mask of the trained decoder, one forward pass."""
    return model(analysis, text.unsqueeze(0)).squeeze(0)
