"""Purchases on a cluster of RabbitMQ, whose nodes are lost."""
