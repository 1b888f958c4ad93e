"""Compiled featurization: codes, stem scan, folds, pair tables and pairing tensors.

Ground floor of premir: numba and numpy, no torch, no policy. What is sought and what is worth
scoring comes from the caller. Two parts look outside: :mod:`.energies` asks the installed ViennaRNA
for its parameters, and ``python -m premir.kernels`` reads FASTA to compare the kernels with it.
"""
