"""The command line of medprep: options to stages, and nothing else."""
