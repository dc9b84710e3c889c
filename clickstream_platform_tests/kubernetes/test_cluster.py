"""What the platform promises on Kubernetes, on one installed release; in order, for a cluster's minutes are dear."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import orjson
import pytest

from clickstream_platform.model.hours import Hour
from clickstream_platform_tests.deploy.helm.charts import RELEASE, chart_folder
from clickstream_platform_tests.e2e.stack import wait_until
from clickstream_platform_tests.kubernetes.cluster import Object, limit_of, restarts
from clickstream_platform_tests.kubernetes.conftest import Report
from clickstream_platform_tests.kubernetes.posting import posting
from clickstream_platform_tests.kubernetes.release import (
    MAX_RUNS,
    MIN_MEMORY_MB,
    RUN_PODS,
    TTL_SECONDS,
    Release,
    helm_command,
    tags_of,
)
from clickstream_platform_tests.kubernetes.watching import ENDED, Watch, most_at_a_time, watched

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(2400)]

ROWS_SECONDS = 300
CUSTOMERS, HOURS = 10, int(os.environ.get("CLICKSTREAM_TEST_HOURS", "50")) // 10
_hours_back = count(2)


def closed_hour() -> Hour:
    """Return an hour that has closed whatever the clock says, and that no other test has."""
    return Hour.of(datetime.now(UTC) - timedelta(hours=next(_hours_back)))


def test_everything_is_ready(release: Release, report: Report) -> None:
    listed = json.loads(helm_command(release.cluster, "list", "--output", "json").stdout)
    assert [(each["name"], each["status"]) for each in listed] == [(RELEASE, "deployed")]
    done = helm_command(release.cluster, "test", RELEASE, "--logs", seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    pods = release.service_pods()
    roles = sorted(pod["metadata"]["labels"]["clickstream/role"] for pod in pods)
    assert roles == ["batcher", "code_server", "collector", "daemon", "exporter", "registry", "webserver"]
    assert set(restarts(pods).values()) == {0}
    report.add("pods that are always on", str(len(pods)))


def test_an_event_becomes_a_raw_object(release: Release, report: Report) -> None:
    body = {"userId": "u-1", "event": "Page Seen", "properties": {"total": 1}}
    with release.cluster.forwarded("collector", 80) as url:
        wait_until(lambda: _is_ready(f"{url}/readyz"), 60, lambda: "the collector can't be reached")
        answer = httpx.post(f"{url}/v1/track", json=body, auth=(release.write_key, ""), trust_env=False, timeout=30)
    assert answer.status_code == 200, answer.text
    seconds = wait_until(
        lambda: any("page_seen" in key for key in _raw_keys(release)), 60, lambda: f"{_raw_keys(release)}"
    )
    report.add("answer of the collector to raw object of the batcher (a batch is 5 s)", f"{seconds:.0f} s")


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _raw_keys(release: Release) -> list[str]:
    return [ref.key for ref in release.backing.objects.list_objects("raw/")]


def test_an_hour_becomes_rows_in_a_pod_of_its_own(release: Release, report: Report) -> None:
    hour = closed_hour()
    release.wait_for_assets("acme")
    started = time.monotonic()
    with watched(release) as watch:
        release.ingest("acme", ["Order Completed", "Item Viewed"], hour, 500)
        (run,) = release.wait_for_rows("acme", hour, ROWS_SECONDS)
        report.add("raw objects of an hour to its rows", f"{time.monotonic() - started:.0f} s")
        wait_until(lambda: bool(watch.ends), 60, release.explain)  # Dagster knows before the kubelet does
    assert release.backing.count_rows("acme", "order_completed") == (500, 500)
    assert release.backing.count_rows("acme", "item_viewed") == (500, 500)
    (pod,) = watch.pods.values()
    check_pod(pod, run["runId"], hour)
    report.add("of that, its pod", f"{_pod_seconds(pod):.0f} s")
    assert watch.ends == ["Completed"]


def check_pod(pod: Object, run_id: str, hour: Hour) -> None:
    """A run's pod is named after its hour, as large as its tag says, and may do no more than it must."""
    labels, spec = pod["metadata"]["labels"], pod["spec"]
    assert labels["clickstream/customer"] == "acme"
    assert labels["clickstream/hour"] == str(hour)
    assert labels["clickstream/work"] == "hour"
    assert labels["dagster/run-id"] == run_id
    assert spec["serviceAccountName"] == "clickstream-runs"
    (container,) = spec["containers"]
    assert limit_of(pod, "memory") == MIN_MEMORY_MB
    assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "Job"


def _pod_seconds(pod: Object) -> float:
    (status,) = pod["status"]["containerStatuses"]
    ended = datetime.fromisoformat(status["state"]["terminated"]["finishedAt"])
    return (ended - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])).total_seconds()


def test_a_new_customer_needs_no_restart(release: Release, report: Report) -> None:
    before, hour = restarts(release.service_pods()), closed_hour()
    slug = release.add_customer("New Shop")
    report.add("API call to a new customer's assets", f"{release.wait_for_assets(slug):.0f} s")
    release.ingest(slug, ["First Order"], hour, 20)
    release.wait_for_rows(slug, hour, ROWS_SECONDS)
    assert release.backing.count_rows(slug, "first_order") == (20, 20)
    assert restarts(release.service_pods()) == before


def test_an_upgrade_loses_no_hour_and_no_event(release: Release, report: Report) -> None:
    hour, before = closed_hour(), _services(release)
    copying = release.backing.stand_in.faults.add("delay", "^COPY", seconds=60)
    with watched(release) as watch, posting(release) as posted:
        release.ingest("acme", ["Loaded While Upgrading"], hour, 2_000)
        wait_until(lambda: copying.seen > 0, ROWS_SECONDS, lambda: f"no COPY: {release.explain()}")
        started = time.monotonic()
        changed = ["--reuse-values", "--set", "settings.CLICKSTREAM_LOG_LEVEL=WARNING", "--wait", "--timeout", "600s"]
        done = helm_command(release.cluster, "upgrade", RELEASE, str(chart_folder()), *changed)
        assert done.returncode == 0, done.stdout + done.stderr + release.explain()
        report.add("`helm upgrade --wait` that starts every service anew", f"{time.monotonic() - started:.0f} s")
        runs = release.wait_for_rows("acme", hour, ROWS_SECONDS)
        wait_until(lambda: len(posted.acknowledged) > 20, 60, release.explain)
    release.backing.stand_in.faults.clear()
    assert set(before) == set(_services(release))
    assert not set(before.values()) & set(_services(release).values()), "not all were replaced"
    assert ([run["status"] for run in runs], len(watch.pods)) == (["SUCCESS"], 1), "the run went on in its pod"
    assert release.backing.count_rows("acme", "loaded_while_upgrading") == (2_000, 2_000)
    wanted = set(posted.acknowledged)
    wait_until(
        lambda: wanted <= _raw_ids(release, "sent_while_upgrading"), 60, lambda: f"of {len(wanted)} some are lost"
    )
    report.add(
        "events acknowledged meanwhile, none lost; longest time without an answer",
        f"{len(wanted)}; {posted.longest_pause:.0f} s",
    )


def _services(release: Release) -> dict[str, str]:
    """Return the pod of each service but Dagster's own two, which read no setting."""
    staying = [pod["metadata"] for pod in release.service_pods() if "deletionTimestamp" not in pod["metadata"]]
    pods = {pod["labels"]["clickstream/role"]: pod["name"] for pod in staying}
    return {role: name for role, name in pods.items() if role not in ("daemon", "webserver")}


def _raw_ids(release: Release, event: str) -> set[str]:
    objects = release.backing.objects
    keys = [key for key in _raw_keys(release) if f"event={event}/" in key]
    lines = [line for key in keys for line in gzip.decompress(objects.get(key)).splitlines()]
    return {str(orjson.loads(line)["messageId"]) for line in lines}


@pytest.mark.parametrize(
    ("how", "options"),
    [("evicted", ("--wait=false",)), ("lost with its node", ("--force", "--grace-period=0"))],
)
def test_a_pod_killed_in_the_middle_is_only_a_run_more(
    release: Release, report: Report, how: str, options: Sequence[str]
) -> None:
    hour = closed_hour()
    # It is killed while the warehouse copies: staged, not committed.
    copying = release.backing.stand_in.faults.add("delay", "^COPY", seconds=20)
    with watched(release) as watch:
        release.ingest("acme", ["Killed"], hour, 2_000)
        wait_until(lambda: copying.seen > 0, ROWS_SECONDS, lambda: f"no COPY: {release.explain()}")
        (pod,) = watch.pods
        release.cluster.kubectl("delete", "pod", pod, *options)
        killed = time.monotonic()
        runs = release.wait_for_rows("acme", hour, ROWS_SECONDS)
        report.add(f"pod {how} in the middle of COPY to rows by another", f"{time.monotonic() - killed:.0f} s")
    release.backing.stand_in.faults.clear()
    assert [run["status"] for run in runs] == ["FAILURE", "SUCCESS"]
    assert runs[1]["tags"]["dagster/parent_run_id"] == runs[0]["runId"]
    assert "clickstream/pod_grown" not in runs[1]["tags"], "it was not killed for its size"
    rows = _rows_of(release, "killed", hour)
    assert rows == (2_000, 2_000)


def _rows_of(release: Release, table: str, hour: Hour) -> tuple[int, int]:
    return release.backing.count_rows("acme", table, f"received_at >= '{hour}:00:00' AND received_at < '{hour}:59:59'")


def test_a_pod_out_of_memory_gets_twice_as_much(release: Release, report: Report) -> None:
    hour, records = closed_hour(), 20_000
    # 300 MB of text that compress to 2 MB, which is what the sensor sees: a small hour.
    texts = {f"text_{number}": f"{number} " * 700 for number in range(10)}
    started = time.monotonic()
    with watched(release) as watch:
        release.ingest("acme", ["Compressible"], hour, records, **texts)
        runs = release.wait_for_rows("acme", hour, 2 * ROWS_SECONDS)
        report.add(
            "a pod killed for lack of memory, then rows by one twice as large", f"{time.monotonic() - started:.0f} s"
        )
        wait_until(lambda: len(watch.ends) == len(watch.pods), 60, release.explain)
    assert [run["status"] for run in runs] == ["FAILURE", "SUCCESS"]
    assert sorted(watch.ends) == ["Completed", "OOMKilled"]
    assert watch.memory_limits == [MIN_MEMORY_MB, 2 * MIN_MEMORY_MB]
    assert json.loads(runs[1]["tags"]["clickstream/pod_grown"]) == {"memory": MIN_MEMORY_MB}
    assert release.backing.count_rows("acme", "compressible") == (records, records)
    report.add("memory limit of the two pods", ", ".join(f"{limit} MiB" for limit in watch.memory_limits))


def test_a_pod_out_of_disk_gets_twice_as_much(release: Release, report: Report) -> None:
    hour = closed_hour()
    # A kubelet looks every minute how much its pods have on disk.
    copying = release.backing.stand_in.faults.add("delay", "^COPY", seconds=150)
    with watched(release) as watch:
        release.ingest("acme", ["Spooled"], hour, 1_000)
        wait_until(lambda: copying.seen > 0, ROWS_SECONDS, lambda: f"no COPY: {release.explain()}")
        (name,) = watch.pods
        had = limit_of(watch.pods[name], "ephemeral-storage")
        started = time.monotonic()
        fill = f"head -c {had + 100}M /dev/zero > /tmp/full"  # as work would that does not fit into memory
        release.cluster.kubectl("exec", name, "--", "sh", "-c", fill)
        runs = release.wait_for_rows("acme", hour, ROWS_SECONDS)
        report.add("a pod evicted for its disk, then rows by one twice as large", f"{time.monotonic() - started:.0f} s")
    release.backing.stand_in.faults.clear()
    assert [run["status"] for run in runs] == ["FAILURE", "SUCCESS"]
    assert json.loads(runs[1]["tags"]["clickstream/pod_grown"]) == {"ephemeral-storage": had}
    limits = {limit_of(pod, "ephemeral-storage") for pod in watch.pods.values()}
    assert limits == {had, 2 * had}
    assert release.backing.count_rows("acme", "spooled") == (1_000, 1_000)


def test_many_hours_at_once_stay_within_the_limits(release: Release, report: Report) -> None:
    customers = [release.add_customer(f"Many {number}") for number in range(CUSTOMERS)]
    release.wait_for_assets(*customers)
    hours = [closed_hour() for _ in range(HOURS)]
    started = time.monotonic()
    with watched(release) as watch:
        for hour in hours:
            for customer in customers:
                release.ingest(customer, ["Order Completed"], hour, 100)
        wait_until(lambda: _succeeded(release, customers) >= CUSTOMERS * HOURS, 2000, release.explain)
        seconds = time.monotonic() - started
        wait_until(lambda: len(watch.ends) == len(watch.pods), 120, release.explain)
    assert [release.backing.count_rows(customer, "order_completed") for customer in customers] == (
        [(100 * HOURS, 100 * HOURS)] * CUSTOMERS
    )
    assert len(watch.pods) == CUSTOMERS * HOURS, "a pod each, and none more"
    runs = {customer: release.runs(customer) for customer in customers}
    assert {most_at_a_time(each) for each in runs.values()} == {1}
    most = most_at_a_time([run for each in runs.values() for run in each])
    assert 1 < most <= MAX_RUNS
    report.add(
        f"most runs at a time (the limit is {MAX_RUNS}), most pods, most of them working",
        f"{most}; {watch.most_at_once}; {watch.most_running}",
    )
    assert set(watch.ends) == {"Completed"}
    report.add(f"{CUSTOMERS * HOURS} customer-hours at once, to the last row", f"{seconds:.0f} s")
    _report_pods(report, watch)


def _succeeded(release: Release, customers: Sequence[str]) -> int:
    time.sleep(4)  # asking takes CPU, too
    ended = [tags_of(run) for run in release.dagster.runs() if run["status"] == "SUCCESS"]
    return sum(tags.get("clickstream/customer") in customers for tags in ended)


def _report_pods(report: Report, watch: Watch) -> None:
    lives = sorted(_pod_seconds(pod) for pod in watch.pods.values())
    report.add("a pod's life, median and longest", f"{lives[len(lives) // 2]:.0f} s, {lives[-1]:.0f} s")


def test_nothing_is_left_when_there_is_nothing_to_do(release: Release, report: Report) -> None:
    assert release.dagster.runs(), "something ran"
    wait_until(lambda: not _active(release), ROWS_SECONDS, release.explain)
    if any(job["spec"].get("ttlSecondsAfterFinished") for job in release.cluster.jobs(RUN_PODS)):
        seconds = wait_until(
            lambda: not release.run_pods() and not release.cluster.jobs(RUN_PODS), TTL_SECONDS + 120, release.explain
        )
        report.add("until nothing of the runs is left, not even what `kubectl logs` showed", f"{seconds:.0f} s")
    pods = release.service_pods()
    assert set(restarts(pods).values()) == {0}, restarts(pods)
    memory = release.cluster.memory_mb()
    for name, megabytes in sorted(memory.items()):
        if any(name.startswith(pod["metadata"]["name"] + "/") for pod in pods):
            report.add(f"memory of {name}", f"{megabytes:.0f} MB")


def _active(release: Release) -> list[Object]:
    return [pod for pod in release.run_pods() if pod["status"]["phase"] not in ENDED]
