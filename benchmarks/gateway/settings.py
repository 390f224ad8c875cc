"""The product's settings, with one more address: the benchmark's view among the held endpoints."""

from payments_gateway.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.gateway.urls"
