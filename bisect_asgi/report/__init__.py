"""Reports: documents and progress lines that are computed from a run's events alone."""
