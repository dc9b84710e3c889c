"""Errors that nobody caught become lines as well: Python itself prints them as they are, with the values they quote.

Belongs here: Python's three hooks. Does not: lines (`ecs`).
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType

_logger = logging.getLogger(__name__)


def catch_the_uncaught() -> Callable[[], None]:
    """Log what main thread, other threads and destructors don't catch; return how to undo it."""
    before = sys.excepthook, threading.excepthook, sys.unraisablehook
    ours = sys.excepthook, threading.excepthook, sys.unraisablehook = _of_main, _of_thread, _of_destructor

    def undo() -> None:
        if (sys.excepthook, threading.excepthook, sys.unraisablehook) == ours:
            sys.excepthook, threading.excepthook, sys.unraisablehook = before

    return undo


def _of_main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, Exception):
        _logger.critical("The process ends of an error that nobody caught", exc_info=(kind, error, trace))
    else:
        sys.__excepthook__(kind, error, trace)


def _of_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_type is not SystemExit and given.exc_value is not None:
        name = given.thread.name if given.thread else "?"
        found = (given.exc_type, given.exc_value, given.exc_traceback)
        _logger.critical("Thread %s ends of an error that nobody caught", name, exc_info=found)


def _of_destructor(given: sys.UnraisableHookArgs) -> None:
    if given.exc_value is not None:
        found = (given.exc_type, given.exc_value, given.exc_traceback)
        _logger.error("An error where none can be raised", exc_info=found)
