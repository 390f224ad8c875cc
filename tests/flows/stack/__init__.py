"""Purchases and failures, with every part of the product as a process on RabbitMQ and PostgreSQL."""
