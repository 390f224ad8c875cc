"""Purchases and their mishaps, with every part of the product as a process on RabbitMQ and PostgreSQL."""
