"""End to end: the commands as a user types them, the real daemon, webserver and a browser."""
