"""The routes in use: read again when the file changes, kept when its new version is broken.

Belongs here: when to read. Does not: the form of the file (`routes_file`).
"""

from __future__ import annotations

import logging
from pathlib import Path

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.observe.alert_metrics import AlertMetrics
from clickstream_platform.observe.alerts.routes import Routes, log_only
from clickstream_platform.observe.alerts.routes_file import MAX_CHARACTERS, parse_routes

_logger = logging.getLogger(__name__)


class RoutesSource:
    """The routes of one file; without a file, everything goes to the log."""

    def __init__(self, path: Path | None, metrics: AlertMetrics | None = None) -> None:
        """Read the file; raise ConfigurationError when it is broken, for there is no older version to go on with."""
        self._path, self._metrics = path, metrics or AlertMetrics()
        self._text = self._read()
        self._routes, self._fault = self._parse(self._text), ""
        self._metrics.routes_valid.set(1)

    def __call__(self) -> Routes:
        """Return the routes; a change of the file counts from the next call on."""
        try:
            text = self._read()
            if text != self._text:
                self._routes, self._text = self._parse(text), text
                _logger.info("the alert routes changed and are in use")
        except ConfigurationError as error:
            if str(error) != self._fault:  # once, not each minute
                self._fault = str(error)
                _logger.error("%s The routes from before are used.", error)  # noqa: TRY400 - its text says it all
            self._metrics.routes_valid.set(0)
        else:
            self._fault = ""
            self._metrics.routes_valid.set(1)
        return self._routes

    def _read(self) -> str | None:
        if self._path is None:
            return None
        try:
            with self._path.open(encoding="utf-8") as file:
                return file.read(MAX_CHARACTERS + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                "reading the alert routes",
                where=str(self._path),
                cause=f"the file can't be read ({type(error).__name__})",
                remedy="Check CLICKSTREAM_ALERT_ROUTES and who may read the file.",
            ) from error

    def _parse(self, text: str | None) -> Routes:
        return log_only() if self._path is None or text is None else parse_routes(text, self._path.name)
