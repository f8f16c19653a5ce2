"""What this analyzer claims."""

CLAIM = "manipulated"
MANIPULATED = "manipulated"
