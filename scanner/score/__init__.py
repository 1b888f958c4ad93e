"""From folded hairpins to canonical scores."""
