"""A stand-in for Elasticsearch and OpenSearch: just the requests that the platform makes, and the faults it must bear.

This is no search engine. It takes `_bulk` with `create` into one data stream, answers `_search` for the conditions of
`gateways.log_index`, and keeps templates and policies. Text is found by lower-case words. Belongs here: what the real
ones were read to do. Does not: anything that the platform doesn't ask for; that is refused with 400, loudly.
"""
