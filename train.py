"""Train an interpreter: ``python train.py hparams/lmac_zs.yaml [--key value]``."""

from speechbrain_lmac.utils.device import prepare_environment

if __name__ == "__main__":
    prepare_environment()
    from speechbrain_lmac.training.train import main

    main()
