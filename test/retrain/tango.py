"""Prints Tango's lower bounds from first principles, for the counts in the first argument.

The counts: JSON [[only first right, only second right, samples], ...]. Of every difference the
likelihood of the four outcomes under that difference is made largest numerically, and the bound is
where the score test with it crosses the quantile: no formula of the implementation under test.
"""

import json
import math
import sys

from scipy.optimize import brentq, minimize_scalar
from scipy.stats import norm

Z = norm.ppf(0.95)


def most_likely(b: int, c: int, n: int, difference: float) -> float:
    """The share p21 of samples that only the second gets right; p12 is p21 - difference."""

    def surprise(p21: float) -> float:
        p12 = p21 - difference
        shares = ((b, p12), (c, p21), (n - b - c, 1 - p12 - p21))
        if any(share < 0 or (count > 0 and share == 0) for count, share in shares):
            return math.inf
        return -sum(count * math.log(share) for count, share in shares if count > 0)

    low, high = max(0.0, difference), (1 + difference) / 2
    inner = minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-13})
    return min((low, high, inner.x), key=surprise)


def score(b: int, c: int, n: int, difference: float) -> float:
    p21 = most_likely(b, c, n, difference)
    variance = n * (2 * p21 - difference - difference**2)
    return (c - b - n * difference) / math.sqrt(variance)


def lower_bound(b: int, c: int, n: int) -> float:
    seen = (c - b) / n
    return brentq(lambda difference: score(b, c, n, difference) - Z, -1 + 1e-9, seen - 1e-9)


print(json.dumps([lower_bound(*counts) for counts in json.loads(sys.argv[1])]))
