"""Tells names of properties from data in the place of a name: `{"jane@example.com": 3}` is a record about Jane.

Belongs here: that one judgement, a guess on the safe side. Does not: what is done with such a name.
"""

from __future__ import annotations

import re

# An address, five digits however they are grouped (telephone, account and card numbers, dates, IP addresses), hashes.
_DATA = re.compile(r"@|://|(?:\d[ .:()/-]*){5}|[0-9a-fA-F]{16}|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}")


def looks_like_data(name: str) -> bool:
    """Whether a name is rather a value: it may tell something about a person, so it is shown to nobody."""
    return _DATA.search(name) is not None
