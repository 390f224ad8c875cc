"""Tests with a RabbitMQ cluster whose nodes fail."""
