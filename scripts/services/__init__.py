"""Private RabbitMQ and PostgreSQL instances, run by this user on ports of their own.

They use the programs of Debian's packages, and nothing else of an installed service: no configuration,
no data, no Erlang cookie, no running daemon. Everything listens on 127.0.0.1 only. Only the standard library
is used, so that the scripts need nothing installed.
"""
