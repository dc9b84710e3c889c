"""`clickstream doctor`: does this deployment have everything that the hourly work needs, and if not, what to do.

Belongs here: checks that a person runs, each of which ends as a finding. Does not: anything the hourly work does.
"""
