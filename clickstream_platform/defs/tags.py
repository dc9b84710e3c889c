"""The tags of our runs, by which the queue's limits, the sensors and people find them."""

CUSTOMER_TAG, EVENT_TAG, HOUR_TAG = "clickstream/customer", "clickstream/event", "clickstream/hour"
DIGEST_TAG = "clickstream/input_digest"
RUN_KEY_TAG, PRIORITY_TAG, MAX_RUNTIME_TAG = "dagster/run_key", "dagster/priority", "dagster/max_runtime"
PARTITION_TAG = "dagster/partition"
POD_TAG = "dagster-k8s/config"

# By these the queue keeps back-fills from taking every place, and people find large work.
BACKFILL_TAG, IS_BACKFILL = "clickstream/backfill", "true"
SIZE_TAG, OUTSIZE_TAG = "clickstream/pod_size", "clickstream/outsize"
GROWN_TAG = "clickstream/pod_grown"

# Fresh hours have minus their age in hours; a backlog comes after them, and back-fills after that.
MAX_AGE_HOURS = 10_000
BACKFILL_PRIORITY = -MAX_AGE_HOURS - 1
