"""Commands, replies, events and pushes over RabbitMQ, for Django. README.md in this folder introduces it."""
