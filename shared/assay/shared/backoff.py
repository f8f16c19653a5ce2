"""How long to wait before something is tried again."""

import random

FIRST_S = 0.1
GROWTH = 4
LONGEST_S = 30.0


def seconds(attempt: int) -> float:
    """After the attempt of this number, 1, 2, 3 …: 0.1 s, 0.4, 1.6, 6.4, then 30 at most, less up to half by chance.

    Most failures pass at once, so the first wait is short. A part that restarts takes seconds, which few attempts must
    span.
    """
    longest = min(LONGEST_S, FIRST_S * GROWTH ** min(attempt - 1, 10))
    return random.uniform(longest / 2, longest)
