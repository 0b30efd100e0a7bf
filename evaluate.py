"""Compare explainers: ``python evaluate.py hparams/evaluate.yaml [--key value]``."""

from speechbrain_lmac.utils.device import prepare_environment

if __name__ == "__main__":
    prepare_environment()
    from speechbrain_lmac.evaluation.benchmark.run import main

    main()
