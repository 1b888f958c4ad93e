"""From a tile to folded hairpins, without a run or a model."""
