"""The sub-commands of ``premir-train``: each parses its options and calls one function."""
