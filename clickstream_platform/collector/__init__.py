"""The collector: the HTTP tracking API, from an SDK's request to records that are safe on Kinesis or in the spool.

    app            routes and answers             requests       bodies and write keys of requests
    reading        leniently: body -> items       judging        one item -> accepted or rejected
    completing     what is added to a raw line    mending        values that are no JSON, one by one
    delivery       queue -> Kinesis or spool      fair_queue     bounded, no customer starves another
    spool          the records on disk            spooling       group commit and replay of the spool
    ports          what it asks of others         options        its limits

It imports nothing that speaks to the outside: the write keys, the Kinesis stream and the clock are handed to it.
The specification is docs/collector.md.
"""
