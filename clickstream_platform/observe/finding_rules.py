"""Writes the alert rules of all kinds of findings, and their unit tests, for whoever has Alertmanager tell people.

    python -m clickstream_platform.observe.finding_rules deploy/alerts

Belongs here: from FINDING_KINDS to rules. Does not: rules about what the exporter can't know, such as its own end
(deploy/alerts/platform.rules.yaml, written by hand), and routes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from clickstream_platform.model.findings import FINDING_KINDS, FindingKind
from clickstream_platform.observe.exporter.names import CUSTOMER_FINDINGS

RULES, TESTS = "findings.rules.yaml", "findings.tests.yaml"
RUNBOOKS = "docs/runbooks"
HOLD_MINUTES = 2
"""A finding holds so long before its alert fires, which evens out a single look."""
_CUSTOMER = "{{ with $labels.customer }}{{ . }}: {{ end }}"
_HEADER = "# Generated: python -m clickstream_platform.observe.finding_rules deploy/alerts\n"


def alert_name(kind: str) -> str:
    """Return the alert of a kind: `ClickstreamStreamLate` for `stream_late`."""
    return "Clickstream" + "".join(part.capitalize() for part in kind.split("_"))


def render_rules() -> str:
    """Return the rules file."""
    rules = [
        {
            "alert": alert_name(name),
            "expr": f'sum by (customer, kind) ({CUSTOMER_FINDINGS.name}{{kind="{name}"}}) > 0',
            "for": f"{HOLD_MINUTES}m",
            "labels": {"severity": kind.severity.value, "part": "findings"},
            "annotations": _annotations(kind),
        }
        for name, kind in FINDING_KINDS.items()
    ]
    return _written({"groups": [{"name": "clickstream-findings", "rules": rules}]})


def render_tests() -> str:
    """Return promtool's tests: each alert fires for its customer, and not any more once the finding is over."""
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {"series": f'{CUSTOMER_FINDINGS.name}{{customer="acme",kind="{name}"}}', "values": "1x9 _x10"},
            ],
            "alert_rule_test": [
                {"eval_time": "1m", "alertname": alert_name(name), "exp_alerts": []},
                {
                    "eval_time": "5m",
                    "alertname": alert_name(name),
                    "exp_alerts": [
                        {
                            "exp_labels": {
                                "severity": kind.severity.value,
                                "part": "findings",
                                "customer": "acme",
                                "kind": name,
                            },
                            "exp_annotations": {
                                key: text.replace(_CUSTOMER, "acme: ") for key, text in _annotations(kind).items()
                            },
                        }
                    ],
                },
                {"eval_time": "18m", "alertname": alert_name(name), "exp_alerts": []},
            ],
        }
        for name, kind in FINDING_KINDS.items()
    ]
    return _written({"rule_files": [RULES], "evaluation_interval": "1m", "tests": tests})


def _annotations(kind: FindingKind) -> dict[str, str]:
    return {"summary": f"{_CUSTOMER}{kind.meaning}", "runbook": f"{RUNBOOKS}/{kind.runbook}"}


def _written(document: dict[str, Any]) -> str:
    return _HEADER + yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)


def main(folder: Path) -> None:
    """Write both files."""
    (folder / RULES).write_text(render_rules(), encoding="utf-8")
    (folder / TESTS).write_text(render_tests(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
