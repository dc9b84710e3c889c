r"""Lines come out as `\n` splits the text, with their numbers, whatever the blocks, the members and the damage."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.codecs.gunzip import SLICE_BYTES, Damage
from clickstream_platform.codecs.lines import LineReader
from clickstream_platform.model.records import RejectReason
from clickstream_platform_tests.codecs.gzips import ShortReads, cut, member, opener

LIMIT = 50
Numbered = list[tuple[int, bytes]]


@dataclass
class Found:
    """Everything a reader gave."""

    lines: Numbered = field(default_factory=list)
    oversize: Numbered = field(default_factory=list)
    pieces: int = 0
    blocks: int = 0
    damage: Damage | None = None
    partial: tuple[int, bytes] | None = None


def read(data: bytes, *, block_bytes: int = 1, limit: int = LIMIT, step: int | None = None) -> Found:
    reader = LineReader(opener(data, step), block_bytes=block_bytes, max_line_bytes=limit)
    found = Found()
    for block in reader:
        found.blocks += 1
        assert len(block.starts) == len(block.ends) == len(block.numbers) == len(block)
        assert block.data.endswith(b"\n") or not block.data
        found.lines += [(number, block.line(index)) for index, number in enumerate(block.numbers.tolist())]
        for number, piece, text in block.oversize:
            found.pieces += 1
            if piece == 0:
                found.oversize.append((number, text))
            else:
                assert found.oversize[-1][0] == number
                found.oversize[-1] = (number, found.oversize[-1][1] + text)
    assert reader.bytes_read == len(data)
    found.damage, found.partial = reader.damage, reader.partial_line
    return found


def lines_of(text: bytes, limit: int = LIMIT) -> tuple[Numbered, Numbered]:
    r"""Return the lines that are not blank, and those over the limit: the rule itself, by `split`."""
    split = [line.removesuffix(b"\r") for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    numbered = [(number, line) for number, line in enumerate(split, 1) if line.strip()]
    return [n for n in numbered if len(n[1]) <= limit], [n for n in numbered if len(n[1]) > limit]


def without_long_blanks(lines: Numbered) -> Numbered:
    """Leave out blank lines that are long: the engines find out about them."""
    return [(number, line) for number, line in lines if line.strip()]


ENDINGS = (b"\n", b"\r\n")
NO_ENDINGS = (
    b"\r",
    b"\x0b",
    b"\x0c",
    b"\x1c",
    b"\0",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
)  # though splitlines() takes some for such
OTHERS = (b" ", b"\t", b"a", b"{}", b"x" * 20, b"y" * 49, b"z" * 120, b"\xff", "é".encode(), b"\xef\xbb\xbf")
pieces_of_text = st.sampled_from((*ENDINGS, *NO_ENDINGS, *OTHERS))
texts = st.lists(pieces_of_text, max_size=60).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(texts, st.lists(st.integers(0), max_size=6), st.integers(1, 400), st.sampled_from([None, 1, 13]))
def test_blocks_and_members_make_no_difference(text: bytes, cuts: list[int], block: int, step: int | None) -> None:
    lines, oversize = lines_of(text)
    for data in (b"".join(member(piece) for piece in cut(text, cuts)), text):
        found = read(data, block_bytes=block, step=step)
        assert without_long_blanks(found.lines) == lines
        assert {number for number, _ in found.oversize} == {number for number, _ in oversize}
        # What belongs to the end of a long line is not known while it is read in pieces.
        assert [(n, long.rstrip(b"\r")) for n, long in found.oversize] == [
            (n, long.rstrip(b"\r")) for n, long in oversize
        ]
        assert (found.damage, found.partial) == (None, None)


@pytest.mark.parametrize("block", [1, 400])
@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n", b""])
def test_a_line_as_long_as_allowed_is_read_whatever_its_end(block: int, end: bytes) -> None:
    text = b"a\n" + b"y" * LIMIT + end
    assert read(text, block_bytes=block).lines == lines_of(text)[0]
    assert read(b"a\n" + b"y" * (LIMIT + 1) + end, block_bytes=block).lines == [(1, b"a")]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_are_split_at_newlines_only(text: bytes) -> None:
    if not text.startswith(b"\x1f\x8b"):
        assert without_long_blanks(read(text, limit=1000).lines) == lines_of(text, 1000)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"\n", []),
        (b"\xef\xbb\xbf", []),
        (b"\xef\xbb\xbfa\r\nb\r\n", [(1, b"a"), (2, b"b")]),
        (b"a", [(1, b"a")]),
        (b"a\r", [(1, b"a")]),
        (b"a\rb\r", [(1, b"a\rb")]),
        (b"\n\n a \n\t\n\r\nb", [(3, b" a "), (6, b"b")]),
        (b"a\n\xef\xbb\xbfb\n", [(1, b"a"), (2, b"\xef\xbb\xbfb")]),
        (b"a\0b\n", [(1, b"a\0b")]),
    ],
)
@pytest.mark.parametrize("step", [None, 1])
def test_lines_by_example(text: bytes, expected: Numbered, step: int | None) -> None:
    assert read(text, step=step).lines == expected


@pytest.mark.parametrize("longest", [LIMIT - 1, LIMIT, LIMIT + 1])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
def test_a_line_may_be_as_long_as_the_limit(longest: int, ending: bytes) -> None:
    found = read(b"a\n" + b"x" * longest + ending)
    expected = [(2, b"x" * longest)]
    assert found.lines[1:] + found.oversize == expected
    assert bool(found.oversize) == (longest > LIMIT)


@pytest.mark.parametrize("block_bytes", [1, 1000, 10_000_000])
@pytest.mark.parametrize("step", [None, 30, 333])
def test_oversize_lines_come_in_pieces_and_harm_no_other_line(block_bytes: int, step: int | None) -> None:
    long = [bytes([65 + number]) * size for number, size in enumerate((51, 500, 5000, 100_000))]
    text = b"a\n" + b"\n".join(b"%s\nshort %d" % (line, number) for number, line in enumerate(long)) + b"\n\nlast"
    found = read(text, block_bytes=block_bytes, step=step)
    shorts = [(3 + 2 * number, b"short %d" % number) for number in range(4)]
    assert found.lines == [(1, b"a"), *shorts, (11, b"last")]
    assert found.oversize == [(2 + 2 * number, line) for number, line in enumerate(long)]


def test_an_oversize_line_without_end_is_held_in_bounded_pieces() -> None:
    size = 20_000_000
    reader = LineReader(opener(member(b"x" * size + b"\nend\n")), block_bytes=1000, max_line_bytes=1000)
    pieces = [piece for block in reader for piece in block.oversize]
    assert sum(len(text) for _, _, text in pieces) == size
    assert max(len(text) for _, _, text in pieces) <= 1032 * SLICE_BYTES + 2000
    assert [(number, piece) for number, piece, _ in pieces] == [(1, piece) for piece in range(len(pieces))]


def test_blocks_have_about_the_size_asked_for() -> None:
    text = b"".join(b"line %d\n" % number for number in range(400_000))
    reader = LineReader(lambda: ShortReads(text, 4096), block_bytes=100_000, max_line_bytes=1000)  # type: ignore[arg-type,return-value]
    sizes = [len(block.data) for block in reader]
    assert sum(sizes) == len(text)
    assert all(95_000 < size < 110_000 for size in sizes[:-1])


TEXT = b"".join(b'{"line":%d,"text":"%s"}\n' % (number, b"ab" * (number % 20)) for number in range(30))


def test_truncation_at_every_byte_keeps_the_whole_lines_before_it() -> None:
    data = member(TEXT[:400]) + member(TEXT[400:])
    border = len(member(TEXT[:400]))
    whole = lines_of(TEXT, 1000)[0]
    fewest = 0
    for size in range(2, len(data)):
        found = read(data[:size], limit=1000)
        assert found.lines == whole[: len(found.lines)] or size == border
        if size == border:  # the object ends with a whole member: its last line counts as one without line end
            assert found.damage is None
            assert found.lines[:-1] == whole[: len(found.lines) - 1]
            continue
        assert len(found.lines) >= fewest
        fewest = len(found.lines)
        assert found.damage is not None
        assert found.damage.reason is RejectReason.GZIP_TRUNCATED
        if found.partial is not None:
            number, beginning = found.partial
            assert number == len(found.lines) + 1
            assert whole[number - 1][1].startswith(beginning)
    assert fewest == len(whole)


def corrupted(text: bytes) -> bytes:
    """Return a member that ends with a fault after exactly this text."""
    size = len(text).to_bytes(2, "little")
    return member(b"")[:10] + b"\0" + size + bytes(255 - byte for byte in size) + text + b"\xff\xff lost"


@pytest.mark.parametrize(
    ("text", "lines", "partial"),
    [
        (b"", [], None),
        (b"a\n", [(1, b"a")], None),
        (b"a\nbro", [(1, b"a")], (2, b"bro")),
        (b"bro", [], (1, b"bro")),
        (b"\n\nbro", [], (3, b"bro")),
        (b"a\n   \nb\nbro", [(1, b"a"), (3, b"b")], (4, b"bro")),
    ],
)
@pytest.mark.parametrize("step", [None, 1])
def test_the_line_in_which_data_breaks_off(
    text: bytes, lines: Numbered, partial: tuple[int, bytes] | None, step: int | None
) -> None:
    found = read(corrupted(text), step=step)
    assert (found.lines, found.partial) == (lines, partial)
    assert found.damage is not None
    assert found.damage.reason is RejectReason.GZIP_CORRUPT
    assert found.damage.rest.endswith(b" lost")


def test_an_oversize_line_in_which_data_breaks_off() -> None:
    found = read(member(b"a\n" + b"x" * 30_000)[:-9], step=20)
    assert found.lines == [(1, b"a")]
    assert {number for number, _ in found.oversize} == {2}
    rest = b"" if found.partial is None else found.partial[1]
    assert set(found.oversize[0][1] + rest) == {ord("x")}


@pytest.mark.parametrize("garbage", [b"garbage", b"\xff" * 100_000])
def test_damage_after_the_text_takes_no_line_with_it(garbage: bytes) -> None:
    found = read(member(b"a\nb") + garbage)
    assert (found.lines, found.partial) == ([(1, b"a"), (2, b"b")], None)
    assert found.damage is not None
    assert found.damage.reason is RejectReason.GZIP_TRAILING_BYTES

    wrong = bytearray(member(b"a\nb"))
    wrong[-1] ^= 1
    found = read(bytes(wrong))
    assert (found.lines, found.partial) == ([(1, b"a"), (2, b"b")], None)
    assert found.damage is not None
    assert found.damage.reason is RejectReason.GZIP_CHECKSUM
