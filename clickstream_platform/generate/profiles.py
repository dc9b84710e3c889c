"""Profiles of businesses: which events a shop, a software product or a publisher tracks, and what they look like.

Belongs here: the catalogue (event, record type, shape) of a profile and its templates. Does not: how many records each
gets (`sizes`) and the filling of templates (`events`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, cycle, islice
from typing import Literal

from clickstream_platform.generate import business_shapes, shapes
from clickstream_platform.generate.contexts import mobile_context, page_rows, web_context
from clickstream_platform.generate.names import event_names
from clickstream_platform.generate.pools import Part, Property, Shared, merged, object_of, one_of, rows
from clickstream_platform.generate.shapes import Shape
from clickstream_platform.model.naming import event_slug
from clickstream_platform.model.streams import TABLE_OF_TYPE

ProfileName = Literal["ecommerce", "saas", "content"]


@dataclass(frozen=True)
class EventProfile:
    """One stream: its event as sent (the table's name when the record type has no event), record type and shape."""

    event_name: str
    record_type: str
    shape: str


@dataclass(frozen=True)
class Template:
    """The parts of a record in order; `payload` is the key of the object that new properties are added to."""

    parts: tuple[Part, ...]
    payload: str
    conflict: tuple[str, bytes]


@dataclass(frozen=True)
class Profile:
    """A kind of business; `head` are its main events, largest first, and `tail` the shapes of all further ones."""

    site: str
    application: str
    sections: tuple[str, ...]
    head: tuple[tuple[str, str], ...]
    tail: tuple[str, ...]


PROFILES: dict[ProfileName, Profile] = {
    "ecommerce": Profile(
        site="www.halden-outdoor.example",
        application="Halden Shop",
        sections=("products", "collections", "brands", "blog"),
        head=(
            ("Product Viewed", "product"), ("page", "page"), ("Product List Viewed", "product_list"),
            ("Product Clicked", "product"), ("identify", "person"), ("Products Searched", "product_list"),
            ("Product Added", "product"), ("screen", "screen"), ("Cart Viewed", "order"), ("Checkout Started", "order"),
            ("Order Completed", "order"), ("Product Removed", "product"), ("Product Added to Wishlist", "product"),
            ("Payment Info Entered", "order"), ("group", "company"), ("Coupon Applied", "order"), ("alias", "alias"),
            ("Promotion Viewed", "interaction"), ("Product Reviewed", "product"), ("Order Refunded", "order"),
        ),
        tail=("product", "interaction", "order"),
    ),
    "saas": Profile(
        site="app.tilework.example",
        application="Tilework",
        sections=("boards", "projects", "settings", "docs"),
        head=(
            ("Feature Used", "feature"), ("page", "page"), ("Item Created", "feature"), ("Item Updated", "feature"),
            ("identify", "person"), ("Comment Added", "feature"), ("screen", "screen"), ("group", "company"),
            ("Signed In", "interaction"), ("Invite Sent", "feature"), ("Invoice Paid", "subscription"),
            ("Trial Started", "subscription"), ("alias", "alias"), ("Subscription Upgraded", "subscription"),
            ("Subscription Cancelled", "subscription"), ("Payment Failed", "subscription"),
        ),
        tail=("feature", "interaction", "subscription"),
    ),
    "content": Profile(
        site="www.morgenblick.example",
        application="Morgenblick News",
        sections=("world", "economy", "culture", "science", "sport"),
        head=(
            ("Article Viewed", "article"), ("page", "page"), ("Article Read", "article"), ("screen", "screen"),
            ("Video Playback Started", "video"), ("Video Content Playing", "video"), ("identify", "person"),
            ("Article Shared", "article"), ("Video Playback Completed", "video"), ("Paywall Shown", "article"),
            ("Newsletter Subscribed", "interaction"), ("alias", "alias"), ("group", "company"),
            ("Subscription Started", "subscription"),
        ),
        tail=("article", "interaction", "video"),
    ),
}  # fmt: skip

_SHAPES: dict[str, Callable[[], Shape]] = {
    "product": business_shapes.product,
    "product_list": business_shapes.product_list,
    "order": business_shapes.order,
    "feature": business_shapes.feature,
    "subscription": business_shapes.subscription,
    "article": business_shapes.article,
    "video": business_shapes.video,
    "funnel": shapes.funnel,
    "interaction": shapes.interaction,
    "person": shapes.person,
    "company": shapes.company,
}
_PAGE_NAMES = (("Home", ""), ("Product", "Shop"), ("Category", "Shop"), ("Questions", "Help"), ("Orders", "Account"))
_TRACE: tuple[Part, ...] = (
    b',"timestamp":"', Shared.TIMESTAMP, b'","originalTimestamp":"', Shared.ORIGINAL_TIMESTAMP, b'"',
)  # fmt: skip
# Last, and of fixed width, so that a record sent again differs from the first sending in its end only.
_ARRIVAL: tuple[Part, ...] = (
    b',"integrations":{},"sentAt":"', Shared.SENT_AT, b'","receivedAt":"', Shared.RECEIVED_AT, b'"}',
)  # fmt: skip


@cache
def catalogue(profile: ProfileName, streams: int) -> tuple[EventProfile, ...]:
    """Return the first `streams` event profiles, the largest stream first; each is a table of its own."""
    return tuple(islice(_event_profiles(PROFILES[profile]), streams))


@cache
def template(profile: ProfileName, record_type: str, shape: str) -> Template:
    """Return the template of all records of one type and shape."""
    business = PROFILES[profile]
    if record_type == "alias":
        # An alias has no payload: what is odd about one is odd in its context.
        return Template(_record(business, "alias", Shape((), ("width", b'"auto"'))), "context", ("width", b'"auto"'))
    if record_type in ("page", "screen"):
        payload = _page_shape(business) if record_type == "page" else _screen_shape()
    else:
        payload = _SHAPES[shape]()
    return Template(_record(business, record_type, payload), _payload_key(record_type), payload.conflict)


def _event_profiles(business: Profile) -> Iterator[EventProfile]:
    taken: set[str] = set()
    any_shape = cycle(business.tail)
    tail = ((name, shape or next(any_shape)) for name, shape in event_names())
    for name, shape in chain(business.head, tail):
        slug = event_slug(name)
        if slug in taken:
            continue
        taken.add(slug)
        if name in TABLE_OF_TYPE:
            yield EventProfile(TABLE_OF_TYPE[name], name, shape)
        else:
            yield EventProfile(name, "track", shape)


def _payload_key(record_type: str) -> str:
    return "traits" if record_type in ("identify", "group") else "properties"


def _record(business: Profile, record_type: str, payload: Shape) -> tuple[Part, ...]:
    is_mobile = record_type == "screen"
    context = mobile_context(business.application) if is_mobile else web_context(business.site, business.sections)
    body: tuple[Part, ...] = ()
    if payload.properties:
        body = (f',"{_payload_key(record_type)}":{{'.encode(), *object_of(payload.properties), b"}")
    return merged((*_identity(record_type), *_TRACE, b',"context":{', *context, b"}", *body, *_ARRIVAL))


def _identity(record_type: str) -> tuple[Part, ...]:
    start = f'{{"type":"{record_type}",'.encode()
    message: tuple[Part, ...] = (b'"messageId":"', Shared.MESSAGE_ID, b'",')
    visitor: tuple[Part, ...] = (b'"anonymousId":"', Shared.ANONYMOUS_ID, b'","userId":')
    if record_type == "track":
        return (start, b'"event":', Shared.EVENT, b",", *message, *visitor, Shared.USER_ID)
    if record_type == "alias":
        return (start, *message, b'"previousId":"', Shared.ANONYMOUS_ID, b'","userId":', Shared.KNOWN_USER_ID)
    known = (start, *message, *visitor, Shared.KNOWN_USER_ID)
    if record_type == "identify":
        return known
    if record_type == "group":
        return (*known, b",", *one_of("groupId", *(f"co_{number}" for number in range(90))))
    names: Property = rows({"name": name, "category": category} for name, category in _PAGE_NAMES)
    return (start, *message, *visitor, Shared.USER_ID, b",", *names)


def _page_shape(business: Profile) -> Shape:
    extra = shapes.interaction().properties[4:11]  # from `y` to `clicks`
    return Shape((rows(page_rows(business.site, business.sections), "page"), *extra), ("time_on_page_ms", b'"long"'))


def _screen_shape() -> Shape:
    return Shape(shapes.interaction().properties, ("x", b'"left"'))
