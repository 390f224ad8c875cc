"""Tests with a cluster of RabbitMQ, whose nodes die."""
