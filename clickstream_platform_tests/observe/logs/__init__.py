"""Logs: lines, redaction, buffer, sending."""
