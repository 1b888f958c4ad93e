"""Arms: which letters of hits are their matures, by reads, by known hairpins or by the fold."""
