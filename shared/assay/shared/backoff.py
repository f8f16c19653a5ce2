"""How long to wait before something is tried again."""

import random

FIRST_S = 0.05
LONGEST_S = 30.0


def seconds(attempt: int) -> float:
    """After the attempt of this number, 1, 2, 3 …: twice as long each time, up to 30 s, with jitter."""
    longest = min(LONGEST_S, FIRST_S * 2 ** min(attempt, 12))
    return random.uniform(longest / 2, longest)
