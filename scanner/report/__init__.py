"""From scores to what a person reads."""
