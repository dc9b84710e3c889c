"""Write keys, API tokens and session secrets as texts: making them and their hashes.

Each is 32 random letters and digits (190 bits), so a plain SHA-256 keeps it: nothing that could be guessed is hashed.
Belongs here: texts. Does not: storing hashes (`secret_rows`).
"""

from __future__ import annotations

import hashlib
import secrets
import string

TOKEN_PREFIX = "cst_"  # noqa: S105 - makes a leaked token recognisable to scanners
HINT_CHARACTERS = 6
_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 32
_ID_LENGTH = 12


def new_secret() -> str:
    """Return a new secret: 32 letters and digits, the form of a write key that every SDK takes."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def new_id(prefix: str) -> str:
    """Return a new identifier, such as `wk_3fK9…`, which is no secret."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def hash_of(*texts: str) -> str:
    """Return the SHA-256 of texts as 64 hex digits."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
