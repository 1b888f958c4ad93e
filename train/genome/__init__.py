"""Training for the job: known hairpins against the candidates of real genomes."""
