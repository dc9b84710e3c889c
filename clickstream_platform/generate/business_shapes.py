"""Shapes of payloads of shops, software and media, following the Segment specification where it names the event.

Belongs here: one function per shape, 12 to 18 keys each. Does not: general shapes (`shapes`), and which event has which
shape (`profiles`).
"""

from __future__ import annotations

from clickstream_platform.generate.pools import (
    Row,
    amount,
    amounts,
    fractions,
    identifiers,
    instants,
    integers,
    nested,
    one_of,
    rows,
)
from clickstream_platform.generate.shapes import Shape

_ADJECTIVES = ("Classic", "Trail", "Urban", "Recycled", "Wool", "Slim", "Junior", "Pro", "Café", "Nordic")
_THINGS = ("Running Shoe", "Rain Jacket", "Backpack", "T-Shirt", "Water Bottle", "Headlamp", "Sleeping Bag", "浴衣")
_BRANDS = ("Halden", "Ostrava", "Meridian", "Kitsune & Co", "Fjällgård", "Own Brand")
_PRODUCTS = 600


def product_row(number: int) -> Row:
    """One product of the shop: its keys fit together."""
    adjective, thing = _ADJECTIVES[number % 10], _THINGS[number // 10 % len(_THINGS)]
    return {
        "product_id": f"507f1f77bcf86cd7{number * 2654435761 % 2**32:08x}",
        "sku": f"{thing[:2].upper()}-{number:05d}",
        "name": f"{adjective} {thing}",
        "brand": _BRANDS[number % len(_BRANDS)],
        "category": ("Shoes", "Outdoor", "Bags", "Clothing", "Home")[number % 5],
        "variant": ("blue", "black", "olive green", "größe 42", "M")[number % 5],
        "price": amount(499 + number * 7919 % 25000),
    }


def product() -> Shape:
    """A product of the shop, as seen, added or removed."""
    catalogue = rows((product_row(number) for number in range(_PRODUCTS)), "popular")
    rest = (
        one_of("currency", "USD", "USD", "USD", "EUR", "GBP"),
        integers("quantity", 1, 5, "popular"),
        one_of("coupon", None, None, None, "WELCOME10", "SUMMER26"),
        integers("position", 1, 48),
        one_of("in_stock", True, True, True, False),
        fractions("rating", 1, 5, 1),
        identifiers("cart_id", "cart_"),
    )
    return Shape((catalogue, *rest), ("price", b'"free"'))


def product_list() -> Shape:
    """A list of products or the result of a search."""
    products: list[list[object]] = [
        [{"product_id": product_row(first + step)["product_id"], "position": step + 1} for step in range(4)]
        for first in range(0, 200, 5)
    ]
    return Shape(
        (
            identifiers("list_id", "list_", 1),
            one_of("category", "Shoes", "Outdoor", "Bags", "Clothing", "Home", "Neuheiten"),
            one_of("query", None, "running shoes", "rain jacket", "防水 リュック", "sac à dos", "50% off"),
            integers("results_count", 0, 900),
            integers("page_number", 1, 20, "popular"),
            one_of("sort_by", "relevance", "price_asc", "price_desc", "newest"),
            one_of("filters", [], [{"type": "color", "value": "blue"}], [{"type": "size", "value": "42"}]),
            one_of("products", *products),
            one_of("is_personalised", True, False),
            integers("load_time_ms", 40, 3000),
            identifiers("session_id", "s_", 3),
            fractions("relevance", 0, 1),
        ),
        ("results_count", b'"many"'),
    )


def order() -> Shape:
    """A checkout or order, with its products as an array."""
    items: list[list[object]] = [
        [{**product_row(3 * first + step), "quantity": 1 + step} for step in range(1 + first % 2)]
        for first in range(120)
    ]
    return Shape(
        (
            identifiers("order_id", "ord_", 3),
            identifiers("checkout_id", "chk_"),
            amounts("total", 8, 900),
            amounts("subtotal", 7, 850),
            amounts("tax", 0, 90),
            amounts("shipping", 0, 25),
            amounts("discount", 0, 60),
            one_of("currency", "USD", "USD", "EUR", "GBP", "JPY"),
            one_of("coupon", None, None, "WELCOME10", "SUMMER26"),
            one_of("affiliation", "Online Store", "Marketplace", "App"),
            one_of("payment_method", "card", "card", "paypal", "apple_pay", "invoice"),
            one_of("is_first_order", True, False, False),
            instants("estimated_delivery_at", 900),
            one_of("products", *items),
        ),
        ("total", b'"n/a"'),
    )


def feature() -> Shape:
    """Use of a feature of a software product; keys in camelCase."""
    return Shape(
        (
            identifiers("workspaceId", "ws_", 1),
            one_of("featureName", "kanban_board", "csv_export", "comments", "api", "sso", "automation", "dark_mode"),
            one_of("planName", "free", "team", "business", "enterprise"),
            integers("seatCount", 1, 400, "popular"),
            integers("durationMs", 5, 90000, "popular"),
            one_of("isTrial", True, False, False, False),
            one_of("source", "toolbar", "shortcut", "context_menu", "command_palette"),
            fractions("healthScore", 0, 100, 2),
            instants("workspaceCreatedAt", 800),
            nested("experiment", [{"name": name, "variant": kind} for name in ("nav", "search") for kind in "ab"]),
            one_of("roles", ["admin"], ["member"], ["member", "billing"], []),
            one_of("parentId", None, "proj_18", "proj_204"),
            identifiers("itemId", "itm_", 2),
            one_of("errorMessage", None, None, None, 'Could not save "Q3 plan": time-out', "権限がありません"),
        ),
        ("durationMs", b'"slow"'),
    )


def subscription() -> Shape:
    """A subscription, trial or invoice."""
    return Shape(
        (
            identifiers("invoice_id", "in_", 3),
            one_of("plan", "team", "business", "enterprise"),
            one_of("previous_plan", None, "free", "team"),
            amounts("mrr", 10, 4000),
            amounts("amount_due", 0, 4000),
            one_of("currency", "USD", "EUR", "GBP"),
            integers("seats", 1, 500, "popular"),
            one_of("billing_period", "monthly", "yearly"),
            one_of("is_self_serve", True, True, False),
            instants("current_period_end", 1200),
            one_of("cancel_reason", None, None, "too expensive", "missing features"),
            one_of("payment_attempts", 1, 1, 1, 2, 3),
            nested("tax", [{"rate": rate, "country": code} for rate, code in ((0.19, "DE"), (0.2, "GB"), (0, "US"))]),
        ),
        ("mrr", b'"unknown"'),
    )


def article() -> Shape:
    """An article that is read or shared."""
    authors = ("M. Okafor", "Lena Brandt", "佐藤 花子", "J. O'Neill", "Ana María Ruiz")
    titles = [
        {
            "article_id": 700_000 + number,
            "headline": f"{('Why', 'How', 'When')[number % 3]} the {_THINGS[number % 7].lower()} changed {number}",
            "author": authors[number % 5],
            "section": ("World", "Economy", "Culture", "Science", "Sport")[number % 5],
            "word_count": 250 + number * 61 % 4000,
        }
        for number in range(800)
    ]
    return Shape(
        (
            rows(titles, "popular"),
            instants("published_at", 700),
            one_of("tags", ["politics", "europe"], ["climate"], ["football", "live"], [], ["long read"]),
            one_of("paywall", "none", "metered", "hard"),
            one_of("is_subscriber", False, False, True),
            fractions("scroll_depth", 0, 1, 3),
            integers("reading_time_seconds", 1, 1200, "popular"),
            one_of("referring_module", "homepage", "related", "newsletter", "search", None),
            integers("comments_count", 0, 900, "popular"),
            identifiers("page_view_id", "pv_", 3),
        ),
        ("word_count", b'"long"'),
    )


def video() -> Shape:
    """Playback of a video, as in the Segment video specification."""
    return Shape(
        (
            identifiers("session_id", "vs_", 3),
            one_of("content_asset_id", "0129370", "0129371", "0129984", "0131200"),
            one_of("title", "Interview with Tony Robbins", "Die lange Nacht", "朝のニュース", "Episode 12: The Bridge"),
            integers("position", 0, 5400),
            integers("total_length", 30, 5400),
            integers("bitrate", 100, 6000),
            fractions("framerate", 23, 60, 3),
            one_of("video_player", "html5", "exoplayer", "avplayer"),
            one_of("full_screen", True, False),
            integers("sound", 0, 100),
            one_of("quality", "sd", "hd", "uhd"),
            one_of("livestream", False, False, False, True),
            one_of("ad_type", None, "pre-roll", "mid-roll"),
            one_of("genres", ["News"], ["Documentary", "History"], ["Drama"]),
        ),
        ("position", b'"start"'),
    )
