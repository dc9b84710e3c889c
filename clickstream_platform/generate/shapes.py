"""Shapes of payloads that every business has: steps of a flow, interactions, people and companies.

Belongs here: what a shape is, and one function per general shape, 10 to 14 keys each, with realistic types, ranges and
cardinalities. Does not: shapes of one kind of business (`business_shapes`), and which event has which (`profiles`).
"""

from __future__ import annotations

from dataclasses import dataclass

from clickstream_platform.generate.pools import (
    Property,
    amounts,
    fractions,
    identifiers,
    instants,
    integers,
    nested,
    one_of,
    rows,
)


@dataclass(frozen=True)
class Shape:
    """The payload of an event; `conflict` is a numeric key and the JSON text that sometimes arrives in its place."""

    properties: tuple[Property, ...]
    conflict: tuple[str, bytes]


def funnel() -> Shape:
    """One step of a flow of many steps."""
    return Shape(
        (
            identifiers("flow_id", "flow_", 2),
            integers("step_index", 1, 40),
            one_of("variant", "control", "short_form", "two_column"),
            integers("duration_ms", 120, 240000, "popular"),
            integers("fields_filled", 0, 24),
            integers("validation_errors", 0, 6, "popular"),
            one_of("error_code", None, None, None, "E_ZIP", "E_CARD_DECLINED"),
            one_of("is_returning", True, False),
            fractions("completion_rate", 0, 1),
            one_of("entry_point", "homepage", "email", "ad", "deep_link"),
            instants("flow_started_at", 1000),
            one_of("input_method", "keyboard", "autofill", "voice", "paste"),
            one_of("steps_seen", [1], [1, 2], [1, 2, 3], [1, 3]),
            amounts("cart_value", 0, 600),
        ),
        ("duration_ms", b'"unknown"'),
    )


def interaction() -> Shape:
    """A click or tap somewhere in an interface."""
    return Shape(
        (
            one_of("component", "button", "link", "card", "menu_item", "tab", "tooltip"),
            identifiers("component_id", "cmp-", 1),
            one_of("label", "Save", "Learn more", "Weiter", "次へ", 'Close "details"', "Add to list"),
            integers("x", 0, 1919),
            integers("y", 0, 4000),
            fractions("viewport_share", 0, 1),
            integers("time_on_page_ms", 100, 600000, "popular"),
            one_of("is_keyboard", False, False, False, True),
            one_of("theme", "light", "dark"),
            nested("experiment", [{"id": number, "arm": "AB"[number % 2]} for number in range(40, 60)]),
            integers("clicks", 1, 12, "popular"),
            one_of("destination", None, "/pricing", "/help", "https://example.com/"),
            identifiers("interaction_id", "ix_", 3),
            one_of("path_in_page", ["main", "hero"], ["footer"], ["nav", "menu", "item"]),
        ),
        ("x", b'"left"'),
    )


def person() -> Shape:
    """Traits of a person, for `identify`."""
    people = [
        {
            "email": f"user{number * 7919 % 100000:05d}@example.com",
            "firstName": ("Anna", "José", "葵", "Omar", "Zoë", "Liam")[number % 6],
            "lastName": ("Schmidt", "García", "田中", "Haddad", "O'Brien")[number % 5],
            "phone": f"+1-555-01{number % 100:02d}",
            "address": {"city": ("Berlin", "São Paulo", "東京")[number % 3], "postalCode": f"{10000 + number}"},
        }
        for number in range(600)
    ]
    return Shape(
        (
            rows(people),
            integers("age", 16, 92),
            integers("logins", 0, 3000, "popular"),
            one_of("plan", "free", "team", "business", None),
            instants("createdAt", 800),
            one_of("newsletter", True, False),
            fractions("lifetimeValue", 0, 9000, 2),
            nested("company", [{"id": f"co_{number}", "employee_count": number * 13 % 5000} for number in range(90)]),
            one_of("interests", [], ["running"], ["travel", "books"]),
        ),
        ("logins", b'"never"'),
    )


def company() -> Shape:
    """Traits of a company, for `group`."""
    return Shape(
        (
            one_of("name", "Initech", "Globex GmbH", "株式会社サンプル", "Acme, Inc.", "Umbrella & Sons"),
            one_of("industry", "Retail", "Technology", "Media", "Health"),
            integers("employees", 1, 60000, "popular"),
            one_of("plan", "team", "business", "enterprise"),
            amounts("annualRevenue", 1000, 900000),
            instants("createdAt", 800),
            one_of("isCustomer", True, False),
            one_of("website", "https://initech.example", "https://globex.example", None),
            nested("address", [{"country": code, "city": city} for code, city in (("US", "Austin"), ("JP", "大阪"))]),
            identifiers("crmId", "00Q", 2),
        ),
        ("employees", b'"10-50"'),
    )
