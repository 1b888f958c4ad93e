"""What annotated features a hit lies in."""
