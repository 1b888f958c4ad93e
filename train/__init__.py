"""Data sets to networks: protocols, training, metrics and model cards."""
