"""Small-RNA reads as evidence: what they look like on the hairpins of hits."""
