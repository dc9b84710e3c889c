"""The edge to the outside: the only package that imports boto3 or another vendor's SDK, and that reads the clock.

What belongs here: ports (what the services may ask for), their implementations and the fakes shipped beside them.
What does not: object key grammar (`model`), what the objects mean (the services), warehouses (`warehouses`).
"""
