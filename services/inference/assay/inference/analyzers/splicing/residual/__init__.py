"""Local inconsistency: parts of a picture whose residual noise follows other statistics than the rest."""
