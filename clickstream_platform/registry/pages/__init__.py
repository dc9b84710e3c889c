"""The registry's page for people: plain HTML below `/admin`, on the same service as the HTTP API.

Belongs here: the pages, their templates, styles and the little script, and who is logged in. Does not: rules
(`registry.service` decides everything), the HTTP API (`registry.http`), what was loaded (`registry.ports`).
"""

from clickstream_platform.registry.pages.mounting import PageSettings, mount_pages

__all__ = ["PageSettings", "mount_pages"]
