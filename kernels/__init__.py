"""Compiled featurization: codes, stem scan, pair tables and pairing tensors.

Ground floor of premir: numba and numpy only, no I/O, no torch.
"""
