"""Purchases on a RabbitMQ cluster whose nodes fail."""
