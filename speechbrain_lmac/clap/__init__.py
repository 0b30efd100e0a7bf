"""CLAP adapters: one module for each family of weights, one contract for all."""
