"""The one source of randomness of the generator: integers from PCG64, the same on every platform and version.

Belongs here: seeded integers and what is made of integers alone (indices, orders, UUID text). Does not: what they stand
for. Only `random_raw` is used, because NumPy promises a stable stream for bit generators but not for `Generator`.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Texts = npt.NDArray[np.bytes_]

_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_DASHES = (8, 13, 18, 23)
_DIGITS = np.array([place for place in range(36) if place not in _DASHES])


class Draws:
    """Random integers that depend on nothing but the key given at the start and the order of the calls."""

    def __init__(self, *key: object) -> None:
        """Seed from the text of every part of the key."""
        digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
        self._bits = np.random.PCG64(int.from_bytes(digest, "big"))

    def words(self, count: int) -> Words:
        """Return `count` words of 64 random bits."""
        return np.asarray(self._bits.random_raw(count), dtype=np.uint64)

    def below(self, bound: int, count: int) -> Integers:
        """Return `count` integers in `[0, bound)`, all alike in probability."""
        return ((self.words(count) >> np.uint64(11)) % np.uint64(bound)).astype(np.int64)

    def mostly_small(self, bound: int, count: int) -> Integers:
        """Return `count` integers in `[0, bound)`, small ones more often: the best-selling product, the front page."""
        return self.below(bound, count) * self.below(bound, count) // bound

    def order(self, count: int) -> Integers:
        """Return the integers below `count` in random order."""
        return np.argsort(self.words(count), kind="stable").astype(np.int64)


def scrambled(numbers: Integers, salt: int) -> Words:
    """Return 64 bits that look random but depend only on each number and the salt (the finaliser of splitmix64)."""
    bits = numbers.astype(np.uint64) + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def uuid_texts(high: Words, low: Words) -> Texts:
    """Return the 36 characters of a version-4 UUID for each pair of words."""
    octets = np.empty((len(high), 16), dtype=np.uint8)
    octets[:, :8] = high.astype(">u8").view(np.uint8).reshape(-1, 8)
    octets[:, 8:] = low.astype(">u8").view(np.uint8).reshape(-1, 8)
    octets[:, 6] = octets[:, 6] & 0x0F | 0x40
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    digits = np.empty((len(high), 32), dtype=np.uint8)
    digits[:, 0::2], digits[:, 1::2] = octets >> 4, octets & 0x0F
    texts = np.full((len(high), 36), ord("-"), dtype=np.uint8)
    texts[:, _DIGITS] = _HEX[digits]
    return texts.view("S36").reshape(-1)
