"""The addresses of the whole project."""

from django.contrib import admin
from django.urls import include, path, re_path

from checkout.api.description.problem_page import problem_page
from checkout.api.description.reference import reference
from checkout.web.views import errors

admin.autodiscover()

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("checkout.api.urls")),
    path("api/reference/", reference, name="api_reference"),
    re_path(r"^api/", errors.no_such_program_address),
    path("problems/<slug:code>", problem_page, name="problem"),
    path("", include("checkout.web.urls")),
    re_path(r"", errors.no_such_page),
]

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.page_not_found
handler500 = errors.server_error
