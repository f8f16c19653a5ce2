"""The words of this analyzer's verdicts."""

CLAIM = "synthetic"
SYNTHETIC = "synthetic"
