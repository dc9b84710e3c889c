"""What pods get as CLICKSTREAM_ variables is what the platform reads: no name that it would refuse, no value either."""

from __future__ import annotations

import json

import pytest

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.settings import PREFIX, load_settings
from clickstream_platform_tests.deploy.helm.charts import VALUES, Manifest, named, pods, refusal, render, template
from clickstream_platform_tests.deploy.helm.test_manifests import run_job
from clickstream_platform_tests.deploy.helm.values_doc import SCHEMA, setting_names

EVERYTHING = ("canary.enabled=true", "exporter.alertRoutes=channels: {}", "exporter.thresholds=x: 1")
SECRET = "postgresql://somebody@database/registry"


def environment(manifests: list[Manifest], container: Manifest) -> dict[str, str]:
    """Return a container's variables, with a text for each secret."""
    variables = dict(named(manifests, "ConfigMap", "clickstream-settings")["data"])
    for each in container.get("env", []):
        variables[each["name"]] = each.get("value", SECRET)
    return variables


@pytest.mark.parametrize("values", VALUES)
def test_the_platform_reads_what_each_pod_gets(values: str) -> None:
    manifests = render(values, sets=EVERYTHING)
    specs = {**pods(manifests), "Job/run": run_job(manifests)["spec"]["template"]["spec"]}
    for name, spec in specs.items():
        for container in (*spec.get("initContainers", []), *spec["containers"]):
            settings = load_settings(environment(manifests, container))
            assert settings.objects.startswith("s3://"), name
            assert str(settings.home) == "/var/lib/clickstream"


def test_settings_reach_the_pods_as_they_were_written() -> None:
    sets = (
        "settings.CLICKSTREAM_BLOCK_BYTES=12582912",
        "settings.CLICKSTREAM_PART_BYTES=1500000",
        "settings.CLICKSTREAM_TRACE_SHARE=0.25",
        "settings.CLICKSTREAM_REGISTRY_SECURE_COOKIES=false",
        "settings.CLICKSTREAM_LOG_FORMAT=text",
    )
    data = named(render(sets=sets), "ConfigMap", "clickstream-settings")["data"]
    settings = load_settings(data)
    assert (settings.block_bytes, settings.part_bytes, settings.trace_share) == (12582912, 1500000, 0.25)
    assert (settings.registry_secure_cookies, settings.log_format) == (False, "text")
    assert all(isinstance(value, str) for value in data.values())


def test_addresses_are_those_of_the_services() -> None:
    manifests = render(VALUES[1])
    settings = load_settings(named(manifests, "ConfigMap", "clickstream-settings")["data"])
    webserver = named(manifests, "Service", "platform-dagster-webserver")
    port = webserver["spec"]["ports"][0]["port"]
    assert settings.dagster_webserver_url == f"http://platform-dagster-webserver:{port}"
    assert settings.registry_collector_url == "https://collect.example.com"
    assert settings.pod_ttl_seconds == 600


def test_the_schema_knows_exactly_the_settings() -> None:
    names = json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"]["settings"]["propertyNames"]["enum"]
    assert names == setting_names(), "run python -m clickstream_platform_tests.deploy.helm.values_doc"


@pytest.mark.parametrize("name", ["CLICKSTREAM_OBJECTS", "clickstream_log_level", "LOG_LEVEL"])
def test_a_name_that_is_no_setting_is_refused(name: str) -> None:
    assert "settings" in refusal(f"settings.{name}=x")


def test_every_setting_can_be_given() -> None:
    # All but those with a form of their own, or that are secrets here.
    texts = [name for name in setting_names() if name.endswith(("_DIR", "_REGION"))]
    done = template(sets=tuple(f"settings.{name}=x" for name in texts))
    assert done.returncode == 0, done.stderr
    assert all(name.startswith(PREFIX) for name in texts)


def test_what_kubernetes_makes_of_services_is_no_setting() -> None:
    service = "CLICKSTREAM_DAGSTER_WEBSERVER_"
    made = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_3000_TCP", "PORT_3000_TCP_ADDR")
    links = {service + name: "10.96.0.7" for name in made}
    url = {service + "URL": "http://webserver:3000"}
    assert load_settings({**links, **url}).dagster_webserver_url == "http://webserver:3000"
    for wrong in ("CLICKSTREAM_BATCHER_PORT", service + "PORTS"):
        with pytest.raises(ConfigurationError, match=wrong):
            load_settings({**links, wrong: "1"})
