"""How every other part asks the registry: over HTTP, with the last good snapshot to go on with when it is away.

`opening.open_client` gives a `cached.CachedRegistry`, which answers as the registry's service does. Belongs here: the
requests (`api`), the snapshot kept on disk and in the object store (`kept`, `cache`, `copies`), announcements that
wait (`outbox`). Does not: the registry itself, and commands that change things (they use the service on its database).
"""
