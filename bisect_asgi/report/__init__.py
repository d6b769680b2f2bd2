"""Reports: documents computed from a run's events, and nothing else."""
