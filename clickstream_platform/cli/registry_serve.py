"""`clickstream registry serve`: the registry's HTTP API and its pages.

Belongs here: putting the service together from the settings, and running it. Does not: the service (`registry.http`).
"""

from __future__ import annotations

import ipaddress
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from clickstream_platform.cli.support import handle_errors, listening
from clickstream_platform.errors import ConfigurationError

if TYPE_CHECKING:
    from clickstream_platform.model.shared_ports import Clock
    from clickstream_platform.registry.http.api_settings import ApiSettings
    from clickstream_platform.registry.service import RegistryService
    from clickstream_platform.settings import Settings

GRACE_SECONDS = 10
"""How long requests under way are waited for when the service is stopped."""


@handle_errors
def serve_command(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8400,
    trusted_proxies: Annotated[
        str, typer.Option(metavar="ADDRESSES", help="Proxies whose X-Forwarded-For is believed, with commas between.")
    ] = "127.0.0.1",
) -> None:
    """Serve the registry's API and its page; stop with Ctrl-C."""
    import uvicorn

    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.pipeline.contract_probe import RawContractProbe
    from clickstream_platform.pipeline.freshness.page_states import WatchedStates
    from clickstream_platform.pipeline.load_statistics import LedgerStatistics
    from clickstream_platform.pipeline.logs import start_logging
    from clickstream_platform.registry.http.app import create_app
    from clickstream_platform.settings import load_settings
    from clickstream_platform.wiring import open_wiring

    clock, (url, _) = SystemClock(), cast("tuple[str | None, str | None]", context.obj)
    settings = load_settings()
    # This is the registry: it works on its database, whoever else asks its API.
    settings = settings.model_copy(update={"registry_url": url or settings.registry_url, "registry_api_url": ""})
    start_logging("registry", settings)
    with (
        open_wiring(settings, clock) as wiring,
        closing(LedgerStatistics(wiring)) as statistics,
        closing(WatchedStates(wiring)) as states,
        listening("serving the registry", host, port) as listener,
    ):
        registry = wiring.registry_service
        check_reach(registry, settings, host, clock)
        app = create_app(
            registry,
            api_settings(settings),
            clock=clock,
            statistics=statistics,
            states=states,
            probe=RawContractProbe(wiring.objects, clock, max_depth=settings.max_depth),
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,  # its lines would hold what callers wrote; /metrics counts them
            server_header=False,
            forwarded_allow_ips=trusted_proxies,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        show_address(registry, listener, clock)
        uvicorn.Server(config).run(sockets=[listener])


def api_settings(settings: Settings) -> ApiSettings:
    """Return what the settings say about the API."""
    from clickstream_platform.registry.http.api_settings import ApiSettings, OidcSettings

    oidc = OidcSettings(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        scope_claim=settings.oidc_scope_claim,
        customer_claim=settings.oidc_customer_claim,
    )
    return ApiSettings(
        rate_limit=settings.registry_rate_limit,
        registry_collector_url=settings.registry_collector_url,
        registry_secure_cookies=settings.registry_secure_cookies,
        oidc=oidc if settings.oidc_issuer else None,
    )


def check_reach(registry: RegistryService, settings: Settings, host: str, clock: Clock) -> None:
    """Raise ConfigurationError for an address that others reach while nobody could log in there."""
    if is_loopback(host) or settings.oidc_issuer or has_token(registry, clock):
        return
    raise ConfigurationError(
        "serving the registry",
        where=host,
        cause="others would reach it, and there is no valid API token yet",
        remedy="Make one with `clickstream registry tokens add NAME --scope admin`, or leave --host out.",
    )


def has_token(registry: RegistryService, clock: Clock) -> bool:
    """Whether any API token is valid."""
    return any(token.is_valid(clock.now()) for token in registry.list_tokens())


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def show_address(registry: RegistryService, listener: socket.socket, clock: Clock) -> None:
    """Say where the page and the API are."""
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    console = Console(stderr=True, highlight=False)
    console.print(f"The registry's page is at {address}/admin, its API at {address}/v1.", soft_wrap=True)
    if not has_token(registry, clock):
        command = "clickstream registry tokens add NAME --scope admin"
        console.print(f"There is no token to log in with yet; make one with `{command}`.", soft_wrap=True)
