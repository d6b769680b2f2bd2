"""From observations to verdicts: why a candidate is good, bad or skipped (`judge`)."""
