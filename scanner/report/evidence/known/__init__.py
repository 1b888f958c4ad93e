"""What known hairpins a hit resembles."""
