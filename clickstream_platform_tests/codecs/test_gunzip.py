"""Gunzip gives every byte that can be decoded, in bounded pieces, and says what was wrong with the rest."""

from __future__ import annotations

import gzip
import os
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from isal import igzip

from clickstream_platform.codecs import gunzip
from clickstream_platform.codecs.gunzip import Damage, Gunzip
from clickstream_platform.model.records import RejectReason
from clickstream_platform_tests.codecs.gzips import (
    FCOMMENT,
    FEXTRA,
    FHCRC,
    FNAME,
    FTEXT,
    TRAILER_BYTES,
    cut,
    member,
    opener,
)

TEXT = b"".join(b"line %d of the text\n" % number for number in range(400))
RANDOM = os.urandom(64)  # does not compress: damage in it is found by the checksum only


def decode(data: bytes, step: int | None = None) -> tuple[bytes, Damage | None]:
    source = opener(data, step)
    reader = Gunzip(source)
    decoded = b"".join(reader)
    assert reader.bytes_read == len(data)
    assert all(stream.closed for stream in source.opened)
    return decoded, reader.damage


def damage_of(data: bytes) -> Damage:
    damage = decode(data)[1]
    assert damage is not None
    return damage


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(TEXT, TEXT, id="plain text"),
        pytest.param(b"\x1f", b"\x1f", id="the first byte of a header"),
        pytest.param(member(b""), b"", id="gzip of nothing"),
        pytest.param(member(TEXT), TEXT, id="one member"),
        pytest.param(gzip.compress(TEXT), TEXT, id="by Python"),
        pytest.param(igzip.compress(TEXT), TEXT, id="by isa-l"),
        pytest.param(member(b"") + member(TEXT), TEXT, id="an empty member first"),
        pytest.param(member(TEXT) + member(b"") + member(b"x"), TEXT + b"x", id="three members"),
        pytest.param(member(TEXT) + bytes(700) + member(b"x") + bytes(3), TEXT + b"x", id="padding"),
        pytest.param(member(member(TEXT)), TEXT, id="gzip inside gzip"),
        pytest.param(member(member(TEXT[:99]) + member(TEXT[99:])), TEXT, id="two members inside gzip"),
        pytest.param(member(b"") + member(member(TEXT)), TEXT, id="gzip inside the second member"),
        pytest.param(member(TEXT, level=0), TEXT, id="stored"),
    ],
)
@pytest.mark.parametrize("step", [None, 1, 7])
def test_sound_data_is_decoded(data: bytes, expected: bytes, step: int | None) -> None:
    assert decode(data, step) == (expected, None)


@pytest.mark.parametrize("flags", range(FTEXT + FHCRC + FEXTRA + FNAME + FCOMMENT + 1))
@pytest.mark.parametrize("step", [None, 1])
def test_every_header_is_read(flags: int, step: int | None) -> None:
    data = member(TEXT, flags=flags)
    assert decode(data + data, step) == (TEXT + TEXT, None)


def test_only_two_layers_are_opened() -> None:
    assert decode(member(member(member(TEXT)))) == (member(TEXT), None)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000), st.lists(st.integers(0), max_size=5), st.integers(0, 9), st.integers(1, 50))
def test_any_bytes_in_any_members_come_back(data: bytes, cuts: list[int], level: int, step: int) -> None:
    compressed = b"".join(member(piece, level=level) for piece in cut(data, cuts))
    if not data.startswith(b"\x1f\x8b"):  # that would be gzip inside gzip
        assert decode(compressed, step) == (data, None)


@pytest.mark.parametrize("layers", [1, 2])
def test_truncation_at_every_byte_keeps_what_zlib_can_decode(layers: int) -> None:
    inner = member(TEXT[:3000]) + member(TEXT[3000:])
    data = inner if layers == 1 else member(inner, level=0)
    for size in range(2, len(data)):
        kept = zlib.decompressobj(31).decompress(data[:size]) if layers == 2 else data[:size]
        whole, damage = decode(data[:size])
        assert whole == _decoded_by_zlib(kept)
        at_border = layers == 1 and size == len(member(TEXT[:3000]))
        assert (damage is None) == at_border
        if damage is not None:
            assert damage.reason is RejectReason.GZIP_TRUNCATED
            assert damage.rest == b""


def _decoded_by_zlib(data: bytes) -> bytes:
    if len(data) < 2:
        return data  # not enough to know that it is gzip
    decoded = b""
    while data.startswith(b"\x1f\x8b"):
        decoder = zlib.decompressobj(31)
        decoded += decoder.decompress(data)
        data = decoder.unused_data
    return decoded


@pytest.mark.parametrize("byte", range(1, TRAILER_BYTES + 1))
@pytest.mark.parametrize("layers", [1, 2])
def test_a_wrong_checksum_or_length_loses_nothing(byte: int, layers: int) -> None:
    data = bytearray(member(TEXT))
    data[-byte] ^= 1
    whole, damage = decode(member(bytes(data)) if layers == 2 else bytes(data))
    assert whole == TEXT
    assert damage is not None
    assert damage.reason is RejectReason.GZIP_CHECKSUM


def test_data_that_only_the_checksum_shows_to_be_wrong_is_reported() -> None:
    data = bytearray(member(RANDOM, level=0))
    data[30] ^= 0xFF
    whole, damage = decode(bytes(data))
    assert len(whole) == len(RANDOM)
    assert damage is not None
    assert damage.reason is RejectReason.GZIP_CHECKSUM


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("before", [b"", member(b"before\n"), member(b"before\n") + bytes(20)])
def test_everything_before_corrupt_data_is_kept(layers: int, before: bytes) -> None:
    # A stored block followed by one of a type that does not exist: the fault is at a known byte.
    stored = member(TEXT, level=0)[: -TRAILER_BYTES - len(TEXT) - 5]
    block = b"\0" + len(TEXT).to_bytes(2, "little") + (len(TEXT) ^ 0xFFFF).to_bytes(2, "little")
    data = before + stored + block + TEXT + b"\xff" + b"lost" * 50_000
    whole, damage = decode(member(data) if layers == 2 else data)
    assert whole == (b"before\n" if before else b"") + TEXT
    assert damage is not None
    assert damage.reason is RejectReason.GZIP_CORRUPT
    assert damage.rest == b"\xff" + b"lost" * 50_000
    assert "200001 bytes" in damage.detail


@settings(max_examples=80, deadline=None)
@given(st.integers(0), st.integers(1, 255), st.booleans())
@example(0, 0x1F, False)
def test_any_changed_byte_is_noticed_and_harms_only_what_follows(position: int, change: int, is_nested: bool) -> None:
    first, second = member(TEXT[:2000]), member(TEXT[2000:])
    data = bytearray(first + second)
    position = 10 + position % (len(data) - 10)  # the fields of the first header have no checksum
    data[position] ^= change
    whole, damage = decode(member(bytes(data)) if is_nested else bytes(data))
    if position >= len(first):
        assert whole.startswith(TEXT[:2000])
    if damage is None:  # flags, time and system of the second header have none either, and zeros are padding
        assert len(first) <= position < len(first) + 10
        assert whole in (TEXT, TEXT[:2000])


@pytest.mark.parametrize("method", [0, 7, 9])
def test_an_unknown_method_is_corrupt(method: int) -> None:
    data = bytearray(member(TEXT))
    data[2] = method
    assert damage_of(bytes(data)).reason is RejectReason.GZIP_CORRUPT


@pytest.mark.parametrize("garbage", [b"x", b"{}\n", b"\x1e\x8b", b"garbage" * 100_000])
def test_bytes_after_the_last_member_are_reported(garbage: bytes) -> None:
    whole, damage = decode(member(TEXT) + garbage)
    assert whole == TEXT
    expected = f"{len(garbage)} bytes after the last member"
    assert damage == Damage(RejectReason.GZIP_TRAILING_BYTES, expected, garbage)


def test_of_much_garbage_only_the_beginning_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunzip, "MAX_REST_BYTES", 20_000)
    damage = damage_of(member(TEXT) + b"y" * 3_000_000)
    assert damage.rest == b"y" * 20_000
    assert "3000000 bytes" in damage.detail


def test_pieces_are_bounded_even_of_a_bomb() -> None:
    size = 100_000_000
    pieces = [len(piece) for piece in Gunzip(opener(member(bytes(size), level=9)))]
    assert sum(pieces) == size
    assert max(pieces) <= 1032 * gunzip.SLICE_BYTES


def test_a_reader_that_is_left_early_closes_its_object() -> None:
    source = opener(member(TEXT))
    pieces = iter(Gunzip(source))
    next(pieces)
    del pieces
    assert source.opened[0].closed
