"""The hyperparameter files, installed as ``speechbrain_lmac.hparams``."""
