"""Classification and explanation of clips and recordings by a trained interpreter."""
