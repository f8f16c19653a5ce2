"""How likely it is that a picture without a mark reads like one."""

from math import comb

LIMIT = 1e-6
"""A mark is reported where chance, over all messages that were tried, gives so many equal bits less often than this."""


def chance_of(matching: int, length: int, tried: int) -> float:
    """The probability that at least one of `tried` messages agrees by chance in `matching` of `length` bits or more.

    A message that was drawn without knowing the picture agrees with whatever is read there like tosses of a coin, so
    this is the binomial tail at one half, times the messages (a bound: Bonferroni), at most 1.
    """
    tail = sum(comb(length, bits) for bits in range(max(matching, 0), length + 1))
    return min(1.0, float(tried * tail / 2**length))
