"""The pure nouns of the platform: streams, hours, keys, manifests, records, schemas, names. Standard library only."""
