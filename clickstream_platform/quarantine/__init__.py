"""Reading the quarantine: which records were rejected, of which stream-hour, why, and their bytes.

Belongs here: finding and reading quarantine objects. Does not: rejecting (`transform`), trying again (`ingest.retry`).
"""
