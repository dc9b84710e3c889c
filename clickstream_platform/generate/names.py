"""Names of tracked events, as product teams write them: thousands, distinct also as table names, some in other scripts.

Belongs here: the endless list of names for the tail of small streams. Does not: the well-known events at the head of a
profile (`profiles`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, product, zip_longest

_OBJECTS = (
    "Address Book", "API Key", "Audience", "Automation", "Banner", "Billing Address", "Bundle", "Calendar", "Chart",
    "Comment", "Dashboard", "Delivery Slot", "Discount Code", "Email Template", "Export", "Filter", "Gift Card",
    "Help Article", "Import", "Integration", "Invitation", "Landing Page", "Live Chat", "Loyalty Card", "Map", "Menu",
    "Notification", "Password", "Payment Method", "Playlist", "Push Message", "QR Code", "Recommendation", "Report",
    "Return Label", "Saved Search", "Segment", "Size Guide", "Store Locator", "Survey", "Tooltip", "Voucher", "Webhook",
    "Widget",
)  # fmt: skip
_ACTIONS = (
    "Viewed", "Clicked", "Opened", "Closed", "Created", "Updated", "Deleted", "Shared", "Dismissed", "Failed",
    "Archived", "Restored", "Copied", "Scheduled",
)  # fmt: skip
_FUNNELS = (
    "Checkout", "Onboarding", "Sign Up Form", "Quote Wizard", "Product Tour", "Return Flow", "Upgrade Flow",
    "Identity Check", "Booking", "Setup Guide", "Migration", "Loan Application",
)  # fmt: skip
_STEP_ACTIONS = ("Started", "Completed", "Skipped", "Failed", "Retried", "Abandoned")
_STEPS = 40
# No combining marks here: some naming rules split words at them, and these names must stay apart as table names.
_OTHER_SCRIPTS = (
    (("注文", "カート", "会員登録", "クーポン", "お気に入り", "レビュー"), ("完了", "表示", "追加", "削除"), ""),
    (("订单", "购物车", "优惠券", "直播间", "会员", "支付"), ("提交", "浏览", "取消", "分享"), ""),
    (("주문", "장바구니", "쿠폰", "리뷰", "알림"), ("완료", "조회", "추가", "삭제"), " "),
    (("Заказ", "Товар", "Корзина", "Отзыв", "Подписка"), ("оформлен", "открыт", "добавлен", "удалён"), " "),
    (("Παραγγελία", "Καλάθι", "Προϊόν"), ("Ολοκληρώθηκε", "Προβλήθηκε", "Ακυρώθηκε"), " "),
    (("הזמנה", "עגלה", "מוצר"), ("הושלמה", "נצפה", "נמחק"), " "),
    (("طلب", "سلة", "منتج"), ("مكتمل", "معروض", "محذوف"), " "),
    (("Größe", "Händler", "Rückgabe", "Bestellübersicht"), ("gewählt", "geöffnet", "geschlossen"), " "),
    (("Panier", "Événement", "Reçu", "Créneau"), ("consulté", "validé", "annulé"), " "),
    (("Numărătoare", "Çiçek", "Żądanie", "Señal"), ("początek", "końcowy", "içerik"), " "),
)


def event_names() -> Iterator[tuple[str, str]]:
    """Yield event names without end, each with the shape it calls for (empty: any), families of names mixed."""
    steps, more_steps = _funnel_steps(), _funnel_steps(half=1)
    families = (
        (steps, "funnel"),
        (_object_actions(), ""),
        (more_steps, "funnel"),
        (_experiments(), "interaction"),
        (_other_scripts(), ""),
        (_campaigns(), "interaction"),
    )
    while True:
        for family, shape in families:
            name = next(family, None)
            if name is not None:
                yield name, shape


def _object_actions() -> Iterator[str]:
    for action, thing in product(_ACTIONS, _OBJECTS):
        yield f"{thing} {action}"


def _funnel_steps(half: int = 0) -> Iterator[str]:
    for action, step, funnel in product(_STEP_ACTIONS, range(1, _STEPS + 1), _FUNNELS[half::2]):
        yield f"{funnel} Step {step} {action}"


def _other_scripts() -> Iterator[str]:
    """The languages in turn, until the one with the most names has no more."""
    languages = [
        [f"{thing}{between}{action}" for action, thing in product(actions, things)]
        for things, actions, between in _OTHER_SCRIPTS
    ]
    for names in zip_longest(*languages):
        yield from filter(None, names)


def _experiments() -> Iterator[str]:
    for number in count(1):
        yield f"Experiment {number:04d} Exposed"


def _campaigns() -> Iterator[str]:
    for number in count(1):
        yield f"Campaign {number:04d} Message Delivered"
