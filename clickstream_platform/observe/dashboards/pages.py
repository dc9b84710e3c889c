"""All dashboards, by the file that holds their JSON.

Belongs here: the list. Does not: what is on them.
"""

from __future__ import annotations

from clickstream_platform.observe.dashboards.capacity import CAPACITY
from clickstream_platform.observe.dashboards.customer import CUSTOMER_PAGE
from clickstream_platform.observe.dashboards.operators import OPERATORS

PAGES = {"operators.json": OPERATORS, "customer.json": CUSTOMER_PAGE, "capacity.json": CAPACITY}
