"""Tracks: columns that evidence beside the model adds to hits."""
