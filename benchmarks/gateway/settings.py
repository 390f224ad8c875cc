"""The product's settings, with the benchmark's view as an additional held endpoint."""

from payments_gateway.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.gateway.urls"
