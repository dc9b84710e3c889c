"""How many examples the tests make up.

Few by default, for tests that run all the time; CLICKSTREAM_TEST_EXAMPLES=10 makes ten times as many. Belongs here: the
number. Does not: examples.
"""

from __future__ import annotations

import os


def examples(number: int) -> int:
    """Return how many examples to make where `number` are enough for every day."""
    return number * int(os.environ.get("CLICKSTREAM_TEST_EXAMPLES", "1"))
