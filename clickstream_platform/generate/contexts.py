"""The `context` of a record, as analytics.js and the mobile SDKs send it: device, page, campaign, app, library.

Belongs here: what is the same for every event of a visitor or a page. Does not: properties of events (`profiles`).
"""

from __future__ import annotations

from functools import cache
from itertools import product

from clickstream_platform.generate.pools import Property, Row, nested, object_of, one_of, rows

DEVICES = 2048
PAGES = 1024

_BROWSERS = (
    ("Chrome/126.0.6478.127 Safari/537.36", "AppleWebKit/537.36 (KHTML, like Gecko)"),
    ("Chrome/125.0.6422.142 Safari/537.36 Edg/125.0.2535.92", "AppleWebKit/537.36 (KHTML, like Gecko)"),
    ("Version/17.5 Safari/605.1.15", "AppleWebKit/605.1.15 (KHTML, like Gecko)"),
    ("Firefox/127.0", "Gecko/20100101"),
)
_SYSTEMS = (
    ("Windows", "10", "Windows NT 10.0; Win64; x64", "desktop", "Dell"),
    ("macOS", "14.5", "Macintosh; Intel Mac OS X 10_15_7", "desktop", "Apple"),
    ("iOS", "17.5.1", "iPhone; CPU iPhone OS 17_5_1 like Mac OS X", "mobile", "Apple"),
    ("Android", "14", "Linux; Android 14; SM-S921B", "mobile", "Samsung"),
    ("Android", "13", "Linux; Android 13; Pixel 7", "mobile", "Google"),
    ("Linux", "6.8", "X11; Linux x86_64", "desktop", "Lenovo"),
)
_SCREENS = ((1920, 1080), (1440, 900), (2560, 1440), (390, 844), (412, 915), (1366, 768), (820, 1180))
_PLACES = (
    ("en-US", "America/New_York"), ("en-US", "America/Los_Angeles"), ("en-GB", "Europe/London"),
    ("de-DE", "Europe/Berlin"), ("fr-FR", "Europe/Paris"), ("ja-JP", "Asia/Tokyo"), ("pt-BR", "America/Sao_Paulo"),
    ("es-MX", "America/Mexico_City"), ("el-GR", "Europe/Athens"), ("ko-KR", "Asia/Seoul"), ("hi-IN", "Asia/Kolkata"),
)  # fmt: skip
_TOPICS = (
    "spring-sale", "new-arrivals", "pricing", "guide-to-sizing", "run-faster", "gift-ideas", "release-notes",
    "about-us", "café-culture", "größen-tabelle", "back-to-school", "security", "case-study-retail", "most-read",
    "weekly-digest",
)  # fmt: skip
_REFERRERS = (
    "https://www.google.com/",
    "",
    "https://www.bing.com/",
    "https://news.ycombinator.com/item",
    "https://t.co/q9",
)


@cache  # all templates of a profile have the same
def web_context(site: str, sections: tuple[str, ...]) -> Property:
    """The context of a browser on `site` (a host name), with pages in the given sections."""
    pages = page_rows(site, sections)
    return object_of(
        [
            rows((_web_device(number) for number in range(DEVICES)), "device"),
            one_of("library", {"name": "analytics.js", "version": "next-1.70.0"}),
            nested("page", pages, "page"),
            nested("campaign", campaign_rows()),
        ]
    )


@cache
def mobile_context(application: str) -> Property:
    """The context of a mobile application: no page and no campaign, but an app and a network."""
    builds = [
        {"name": application, "version": f"5.{minor}.{patch}", "build": str(5000 + 10 * minor + patch)}
        for minor, patch in product(range(8), range(4))
    ]
    networks = [
        {"carrier": carrier, "wifi": is_wifi, "cellular": not is_wifi, "bluetooth": False}
        for carrier, is_wifi in product(("T-Mobile", "Vodafone", "NTT DOCOMO", "AT&T"), (True, False))
    ]
    return object_of(
        [
            rows((_mobile_device(number) for number in range(DEVICES)), "device"),
            one_of("library", {"name": "analytics-android", "version": "4.11.3"}),
            nested("app", builds),
            nested("network", networks),
        ]
    )


def page_rows(site: str, sections: tuple[str, ...]) -> list[Row]:
    """The pages of a site: path, referrer, search, title and URL that fit together; the first are the most visited."""
    result: list[Row] = []
    for number in range(PAGES):
        section, topic = sections[number % len(sections)], _TOPICS[(number * 7) % len(_TOPICS)]
        path = f"/{section}/{topic}-{number}" if number else "/"
        search = f"?ref={number * 37 % 1000}" if number % 3 else ""
        result.append(
            {
                "path": path,
                "referrer": _REFERRERS[number % len(_REFERRERS)],
                "search": search,
                "title": f"{topic.replace('-', ' ').title()} · {section.title()} | {site}",
                "url": f"https://{site}{path}{search}",
            }
        )
    return result


def campaign_rows() -> list[Row]:
    """Marketing campaigns; one visit in three has none, which is an empty object."""
    paid: list[Row] = [
        {"name": f"{season}_{kind}_2026", "source": source, "medium": medium}
        for season, kind, (source, medium) in product(
            ("spring", "summer", "autumn"),
            ("prospecting", "retargeting", "brand", "newsletter"),
            (("google", "cpc"), ("facebook", "paid_social"), ("newsletter", "email"), ("tiktok", "video")),
        )
    ]
    return [*paid, *[{} for _ in range(len(paid) // 2)]]


def _web_device(number: int) -> Row:
    system, version, platform, kind, maker = _SYSTEMS[number % len(_SYSTEMS)]
    browser, engine = _BROWSERS[number // len(_SYSTEMS) % len(_BROWSERS)]
    return {
        **_surroundings(number),
        "userAgent": f"Mozilla/5.0 ({platform}) {engine} {browser}",
        "os": {"name": system, "version": version},
        "device": {"type": kind, "manufacturer": maker},
    }


def _mobile_device(number: int) -> Row:
    system, version, _, _, maker = _SYSTEMS[2 + number % 3]
    return {
        **_surroundings(number),
        "os": {"name": system, "version": version},
        "device": {"type": system.lower(), "manufacturer": maker, "model": f"{maker}-{number % 41:02d}"},
    }


def _surroundings(number: int) -> Row:
    (width, height), (locale, zone) = _SCREENS[number % len(_SCREENS)], _PLACES[number * 5 % len(_PLACES)]
    # 203.0.113.0/24 and its like are reserved for documentation (RFC 5737), so no real visitor is named.
    address = f"{('192.0.2', '198.51.100', '203.0.113')[number % 3]}.{number % 254 + 1}"
    return {
        "ip": address,
        "locale": locale,
        "timezone": zone,
        "screen": {"width": width, "height": height, "density": 1 + number % 3},
    }
