"""Genome to hits: validation, tiles, candidates, folding, shards, networks, executors, outputs."""

from __future__ import annotations

__version__ = "0.1.0"
