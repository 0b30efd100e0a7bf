"""Train an interpreter: ``python train.py hparams/lmac_zs.yaml [--key value]``."""

from speechbrain_lmac.training.train import main

if __name__ == "__main__":
    main()
