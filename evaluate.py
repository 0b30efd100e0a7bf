"""Compare explainers: ``python evaluate.py hparams/evaluate.yaml [--key value]``."""

from speechbrain_lmac.evaluation.benchmark.run import main

if __name__ == "__main__":
    main()
