"""The product's addresses and the benchmark's, whose requests are held."""

from django.urls import path

from benchmarks.gateway.views import ask
from payments_gateway import urls as product
from payments_gateway.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

urlpatterns = [path("checkout/benchmark/", ask), *product.urlpatterns]
