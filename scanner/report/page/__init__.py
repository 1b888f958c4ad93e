"""The report of a scan: one HTML page that needs no network, no script and no other file."""
