"""Private RabbitMQ and PostgreSQL instances, run by this user on ports of their own.

They run the programs of Debian's packages, without the configuration, data, Erlang cookie or daemon of an
installed service. Everything listens on 127.0.0.1 only. These modules only import the standard library, so
that they run before anything is installed.
"""
