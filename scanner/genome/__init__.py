"""Letters and where they lie: FASTA, the store of letters, regions, tiles, parts."""
