"""Private RabbitMQ and PostgreSQL instances, run by this user on ports of their own.

They run the programs of Debian's packages, but use nothing else of an installed service: no configuration,
no data, no Erlang cookie, no running daemon. Everything listens on 127.0.0.1 only. The scripts import the
standard library only, so that they run before anything is installed.
"""
