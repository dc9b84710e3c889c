"""`python -m clickstream_platform.health SERVICE`, and `clickstream health`: exit code 0 or 1, and one line.

Belongs here: arguments, exit codes. Does not: questions (`probing`).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.gateways.dagster_tables import Environment
from clickstream_platform.health.judging import LIVE, READY, SENSORS, Limits
from clickstream_platform.health.probing import ADDRESSES, Probe

HEALTHY, UNHEALTHY = 0, 1


def main(arguments: Sequence[str] | None = None, environment: Environment | None = None) -> int:
    """Ask one service, print what it says, return the exit code."""
    environment = os.environ if environment is None else environment
    given = _parser(environment).parse_args(arguments)
    default = READY if given.ready else LIVE
    probe = Probe(
        given.service,
        is_readiness=given.ready,
        address=given.at,
        seconds=given.seconds,
        home=given.home,
        sensors=tuple(filter(None, given.sensors.split(","))),
        limits=Limits(given.heartbeat_seconds or default.heartbeat, given.tick_seconds or default.tick),
    )
    try:
        verdict = probe.ask(environment)
    except ClickstreamError as error:
        print(f"{given.service}: {error}")
        return UNHEALTHY
    print(f"{given.service}: {verdict.text}")
    return HEALTHY if verdict.is_healthy else UNHEALTHY


def _parser(environment: Environment) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clickstream health",
        description="Say whether a service works, in one line; exit code 1 when it does not. Made for probes.",
    )
    add = parser.add_argument
    add("service", choices=sorted(ADDRESSES))
    add("--ready", action="store_true", help="Ask whether it can serve now, rather than whether to restart it.")
    add("--at", default="", metavar="ADDRESS", help=f"Where it is. {_defaults()} For the daemon: its code server.")
    add("--seconds", type=float, default=10.0, help="How long the answer may take. Default: 10.")
    home = environment.get("DAGSTER_HOME") or str(Path(environment.get("CLICKSTREAM_HOME", ".clickstream")) / "dagster")
    add("--home", type=Path, default=Path(home), help="DAGSTER_HOME of the daemon. Default: the variable of that name.")
    add("--sensors", default=",".join(SENSORS), help=f"Sensors that must tick. Default: {','.join(SENSORS)}.")
    texts = [f"{LIVE.heartbeat:.0f}, with --ready {READY.heartbeat:.0f}", f"{LIVE.tick:.0f}, {READY.tick:.0f}"]
    add("--heartbeat-seconds", type=float, help=f"Oldest heartbeat of a thread of the daemon. Default: {texts[0]}.")
    add("--tick-seconds", type=float, help=f"Oldest tick, at least five intervals. Default: {texts[1]}.")
    return parser


def _defaults() -> str:
    return "Default: " + ", ".join(f"{name} {at}" for name, at in ADDRESSES.items() if at) + "."


if __name__ == "__main__":
    sys.exit(main())
