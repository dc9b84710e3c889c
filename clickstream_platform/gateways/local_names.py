"""How the segments of an object key become the names of local folders and files, and back.

What belongs here: that mapping, one to one, pure. What does not: reading and writing (`local_objects`).

A name is the segment itself, so that a person finds `event=signup/` where the key says `event=signup/`. Names that
begin with `%~`, which is no percent-encoding and so in no key the platform builds, are reserved for three cases:

- `%~` alone is a directory marker: the empty last segment of `a/`;
- `%~` and a percent-decoded segment stands for a segment of more than 255 bytes, the limit of file systems: an event
  of 100 bytes in Japanese has 300 when it is percent-encoded;
- `%~tmp-…` is a file being written: no object, and never listed.
"""

from __future__ import annotations

import re
import secrets
from urllib.parse import quote

from clickstream_platform.errors import InvalidNameError

MAX_NAME_BYTES = 255  # NAME_MAX of Linux and macOS file systems
RESERVED = "%~"
_TEMPORARY = f"{RESERVED}tmp-"
_ENCODED_LETTERS = re.compile("(?:%[89A-F][0-9A-F])+")
_LETTERS = re.compile("[^\x00-\x7f]+")


def file_name(segment: str) -> str:
    """Return the local name of a key's segment; InvalidNameError when no file system can hold it."""
    if segment.startswith(RESERVED):
        raise _unfit(segment, f"names that begin with {RESERVED} are reserved")
    if not segment:
        return RESERVED
    if len(segment.encode()) <= MAX_NAME_BYTES:
        return segment
    name = RESERVED + _decoded(segment)
    # A segment that does not come back the same (small hex digits, raw letters beside encoded ones) has no short form.
    if len(name.encode()) > MAX_NAME_BYTES or _encoded(name.removeprefix(RESERVED)) != segment:
        raise _unfit(segment, f"a file name holds at most {MAX_NAME_BYTES} bytes")
    return name


def segment_of(name: str) -> str | None:
    """Return the segment of a local name, or None when it is no object's: a file being written, or a stranger's."""
    if not name.startswith(RESERVED):
        return name
    if name == RESERVED:
        return ""
    short = name.removeprefix(RESERVED)
    segment = _encoded(short)
    return segment if len(segment) > MAX_NAME_BYTES and _decoded(segment) == short else None


def temporary_name() -> str:
    """Return a fresh name for a file being written, one that `segment_of` knows to be no object."""
    return f"{_TEMPORARY}{secrets.token_hex(8)}"


def _decoded(segment: str) -> str:
    try:
        return _ENCODED_LETTERS.sub(lambda run: bytes.fromhex(run[0].replace("%", "")).decode(), segment)
    except UnicodeDecodeError:
        return segment


def _encoded(name: str) -> str:
    return _LETTERS.sub(lambda run: quote(run[0], safe="", errors="surrogateescape"), name)


def _unfit(segment: str, cause: str) -> InvalidNameError:
    return InvalidNameError(
        f"cannot keep an object key with the segment {segment!r} in a local folder",
        cause=cause,
        remedy="Give the customer or event a shorter name, or keep the objects in S3.",
    )
