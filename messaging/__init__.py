"""Commands, replies, events and pushes over RabbitMQ. Knows nothing about payments.

Only this package imports pika.
"""
