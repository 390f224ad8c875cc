"""The API version of the answer to a request."""

from django.http import HttpRequest

from checkout.api.answers import catalogue
from checkout.api.answers.refusal import Fault, refusal
from checkout.api.models import ApiKey
from checkout.conf.api import API_VERSIONS

HEADER = "Api-Version"


def version_of(request: HttpRequest, key: ApiKey) -> str:
    """Return the version that the request asks for, or else that of its key.

    Raises a refusal for unknown versions.
    """
    asked: str | None = request.META.get("HTTP_API_VERSION")
    if asked is None:
        return key.api_version
    if asked not in API_VERSIONS:
        problem = catalogue.API_VERSION_UNKNOWN
        raise refusal(problem, faults=[Fault(problem.detail, header=HEADER)], versions=API_VERSIONS)
    return asked
