"""What SDKs ask for before they send anything: RudderStack's source configuration, Segment's project settings.

Every event goes to this collector and nowhere else, so both name no destinations but that. Belongs here: those two
documents. Does not: whose key it is.
"""

from __future__ import annotations

from typing import Any


def rudderstack_source(write_key: str, customer: str, base_url: str, updated_at: str) -> dict[str, Any]:
    """Return the answer of `/sourceConfig` for a key: an enabled source without destinations."""
    return {
        "source": {
            "id": customer,
            "name": customer,
            "writeKey": write_key,
            "enabled": True,
            "workspaceId": customer,
            "destinations": [],
            "connections": [],
            "dataplanes": {"US": [{"url": base_url, "default": True}]},
            "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
            "updatedAt": updated_at,
        },
        "updatedAt": updated_at,
        "consentManagementMetadata": {"providers": []},
    }


def segment_settings(write_key: str, base_url: str) -> dict[str, Any]:
    """Return the answer of `/v1/projects/<key>/settings`: only the destination that is this collector."""
    scheme, _, host = base_url.partition("://")
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "apiHost": f"{host.rstrip('/')}/v1",
                "protocol": scheme,
                "unbundledIntegrations": [],
                "addBundledMetadata": True,
            }
        },
        "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}, "identify": {}, "group": {}},
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }
