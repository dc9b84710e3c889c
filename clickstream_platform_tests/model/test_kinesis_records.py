"""The form of a Kinesis record: a round trip for every event, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.kinesis_records import KinesisEvent, decode_events, encode_event, encode_events

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
EVENTS = st.lists(
    st.builds(
        KinesisEvent,
        customer=st.sampled_from(["acme", "kunde_ä"]),
        event=st.sampled_from(["order_completed", "注文完了", "_unidentified"]),
        message_id=TEXT,
        received_ms=st.integers(0, 2**45),
        line=st.binary().map(lambda line: line.replace(b"\n", b"")),
    ),
    min_size=1,
    max_size=4,
)
ONE = KinesisEvent("acme", "pages", "m-1", 1795340523931, b'{"type":"page"}')


@given(EVENTS, EVENTS)
def test_what_is_written_is_read_and_forms_concatenate(first: list[KinesisEvent], second: list[KinesisEvent]) -> None:
    data = encode_events(first)
    assert decode_events(data) == first
    assert decode_events(data + encode_events(second)) == first + second


def test_the_written_form() -> None:
    assert encode_event(ONE) == b'{"v":1,"c":"acme","e":"pages","t":1795340523931,"m":"m-1"}\n{"type":"page"}\n'


def test_a_raw_line_with_a_line_break_is_refused() -> None:
    with pytest.raises(InvalidNameError, match="line break"):
        encode_event(ONE._replace(line=b"{\n}"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"{}",
        encode_event(ONE)[:-1],
        encode_event(ONE) + b"{}\n",
        encode_event(ONE).replace(b'"v":1', b'"v":2'),
        encode_event(ONE).replace(b'"m-1"', b"1"),
        encode_event(ONE).replace(b'"t":1795340523931', b'"t":"1"'),
        encode_event(ONE).replace(b'"c":"acme",', b""),
        b"[1]\n{}\n",
        b"not json\n{}\n",
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidNameError, match="reading a Kinesis record"):
        decode_events(data)
