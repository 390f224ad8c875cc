"""Make the OpenAPI 3.1 document from the addresses, the descriptions of their methods, and the events."""

import re
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec
from django.urls import URLPattern, converters

from checkout.api import urls
from checkout.api.access.scopes import MEANINGS
from checkout.api.answers import catalogue
from checkout.api.description.schemas import (
    PROBLEM,
    REFERENCE,
    REQUEST,
    Schema,
    schema_of_field,
    schema_of_serializer,
    schemas_of_answers,
)
from checkout.api.description.webhooks import (
    EVENTS_OF_WEBHOOKS,
    TAG as WEBHOOKS,
    schemas_of_webhooks,
    webhooks,
)
from checkout.api.requests.description import Described, IdempotencyKey
from checkout.api.requests.ids import IdConverter
from checkout.api.requests.versions import HEADER as API_VERSION_HEADER
from checkout.api.requests.view import ApiView
from checkout.conf.api import API_VERSION, API_VERSIONS
from checkout.described import PAYMENT
from checkout.problems import CARD_NUMBER
from payments_gateway.serving import problems as serving
from payments_gateway.serving.problems import Problem, document_of

PREFIX = "/api/v1/"
_PARAMETER = re.compile(r"<(\w+):(\w+)>")
_ALWAYS = (
    *(catalogue.KEY_MISSING, catalogue.KEY_MALFORMED, catalogue.KEY_UNKNOWN, catalogue.KEY_EXPIRED),
    *(
        catalogue.KEY_REVOKED,
        catalogue.NETWORK_NOT_ALLOWED,
        catalogue.SCOPE_MISSING,
        catalogue.API_VERSION_UNKNOWN,
        catalogue.NOT_ACCEPTABLE,
    ),
    *(catalogue.TOO_MANY_UNKNOWN_KEYS, catalogue.QUOTA_EXCEEDED, catalogue.UNAVAILABLE, catalogue.BROKEN),
    *(serving.MALFORMED, serving.TARGET_TOO_LONG, serving.HEADERS_TOO_LARGE, serving.TOO_MANY, serving.FULL),
)
_WITH_BODY = (
    *(catalogue.MALFORMED_JSON, catalogue.UNSUPPORTED_MEDIA_TYPE, catalogue.INVALID_REQUEST),
    *(CARD_NUMBER, serving.TOO_LARGE, serving.TOO_SLOW),
)


def _header(description: str, example: Any, type: str = "string") -> Schema:
    return {"description": description, "schema": {"type": type}, "example": example}


_HEADERS: dict[str, Schema] = {
    "Request-Id": _header("The id of this request.", REQUEST),
    "RateLimit": _header("The requests left, and the seconds until there are more.", '"default";r=5701;t=41'),
    "RateLimit-Policy": _header(
        "The number of requests (`q`) that a key may send in each window of `w` seconds.",
        '"default";q=6000;w=60',
    ),
    API_VERSION_HEADER: _header("The API version of the answer.", API_VERSION),
}
_SENT = list(_HEADERS)
_HEADERS |= {
    "Location": _header("The address of the object.", f"{PREFIX}payments/{PAYMENT}"),
    "Idempotent-Replayed": _header(
        "`true` if this is the answer to an earlier request, with the state of that moment; absent "
        "otherwise. Read the object for its present state.",
        "true",
    ),
    "Preference-Applied": _header("The part of `Prefer` that was applied, if any.", "wait=8"),
    "Retry-After": _header("Wait for this many seconds.", 1, "integer"),
}
_PROBLEM_RESPONSE: Schema = {
    "description": "A problem.",
    "headers": {"Request-Id": {"$ref": "#/components/headers/Request-Id"}},
    "content": {"application/problem+json": {"schema": {"$ref": REFERENCE.format(name="Problem")}}},
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    # Visible ASCII without quotation marks, commas or backslashes. The code also reads the draft's escapes.
    "schema": {"type": "string", "pattern": r'^([!#-+\--\[\]-~]{1,255}|"[!#-+\--\[\]-~]{1,255}")$'},
    "description": (
        "One key for each action: 1 to 255 visible ASCII characters, without spaces, quotation marks, "
        "commas or backslashes. Quotation marks around the key are optional. A repeated request with the "
        "same key gets the answer to the first request."
    ),
    "example": "order-A-1001",
}
_VERSION = {
    "name": API_VERSION_HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "enum": list(API_VERSIONS)},
    "description": "The API version of the answer. By default, it is the version of the key.",
    "example": API_VERSION,
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},  # unknown preferences are ignored (RFC 7240, section 2)
    "description": "`wait=N`: hold for up to N seconds; `respond-async`: answer at once (RFC 7240).",
    "example": "wait=8",
}


def document() -> Schema:
    """Return the whole document."""
    paths: dict[str, Schema] = {}
    answers: dict[str, Any] = dict(EVENTS_OF_WEBHOOKS)
    bodies: dict[str, Schema] = {}
    tags: dict[str, Schema] = {}
    for address, parameters, view in _addresses():
        item: Schema = {"parameters": parameters} if parameters else {}
        tag = _tag_of(view)
        tags[tag["name"]] = tag
        for method, described in view.methods.items():
            operation = _operation(described, bodies, answers, has_path=bool(parameters))
            item[method.lower()] = {"tags": [tag["name"]], **operation}
        paths[address] = item
    schemas, components = schemas_of_answers(answers)
    _fill_in(paths, schemas)
    made = {
        "openapi": "3.1.0",
        "info": {
            "title": "Payments gateway",
            "version": API_VERSION,
            "description": "Create payments, send shoppers to `checkout_url`, capture, void and refund.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The gateway"}],
        "security": [{"apiKey": []}],
        "tags": [*tags.values(), WEBHOOKS],
        "paths": paths,
        "webhooks": webhooks(),
        "components": {
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer", "description": _scopes()},
            },
            "headers": _HEADERS,
            "examples": _examples_of_problems(),
            "schemas": dict(
                sorted({**components, **bodies, "Problem": PROBLEM, **schemas_of_webhooks()}.items())
            ),
        },
    }
    return _with_names_of_lists(made)


def _with_names_of_lists(made: Schema) -> Schema:
    """Return the document with readable names for lists, in place of the names of generic types."""
    text = re.sub(r"ListObject_(\w+?)Object_", r"\1List", msgspec.json.encode(made).decode())
    named: Schema = msgspec.json.decode(text)
    return named


def _addresses() -> Iterator[tuple[str, list[Schema], type[ApiView]]]:
    for pattern in urls.urlpatterns:
        view = getattr(pattern.callback, "view_class", None)
        if isinstance(pattern, URLPattern) and view is not None:
            route = str(pattern.pattern)
            known = cast("dict[str, IdConverter]", converters.get_converters())
            parameters = [
                {
                    "name": name,
                    "in": "path",
                    "required": True,
                    "description": known[kind].description,
                    "schema": {"type": "string", "pattern": f"^{known[kind].form}$"},
                    "example": known[kind].example,
                }
                for kind, name in _PARAMETER.findall(route)
            ]
            yield PREFIX + _PARAMETER.sub(r"{\2}", route), parameters, view


def _tag_of(view: type[ApiView]) -> Schema:
    """Return the tag of a view's operations: its module, which the module's docstring describes."""
    module = sys.modules[view.__module__]
    name = view.__module__.rpartition(".")[2].replace("_", "-")
    return {"name": name, "description": (module.__doc__ or "").partition("\n")[0]}


def _examples_of_problems() -> dict[str, Schema]:
    """Return an example of each problem by its code."""
    return {
        code: {
            "summary": entry.problem.title,
            "description": entry.advice,
            "value": {
                **document_of(entry.problem),
                "type": f"https://pay.example/problems/{code}",
                "code": code,
                "request_id": REQUEST,
                **entry.members,
            },
        }
        for code, entry in sorted(catalogue.CATALOGUE.items())
        if entry.problem is not catalogue.METHOD_NOT_ALLOWED  # the document describes permitted methods only
    }


def _parameter(name: str, field: Any) -> Schema:
    """Return a parameter of the query."""
    schema = schema_of_field(field)
    [example] = schema.pop("examples")
    is_list = schema["type"] == "array"
    return {
        "name": name,
        **({"style": "form", "explode": False} if is_list else {}),  # separated by commas
        "in": "query",
        "required": field.required,
        "description": schema.pop("description"),
        "schema": schema,
        "example": example,
    }


def _operation(
    described: Described, bodies: dict[str, Schema], answers: dict[str, Any], *, has_path: bool
) -> Schema:
    parameters = []
    if described.query is not None:
        parameters += [_parameter(name, field) for name, field in described.query().fields.items()]
    if described.key is not IdempotencyKey.IGNORED:
        parameters.append({**_KEY, "required": described.key is IdempotencyKey.REQUIRED})
    if described.may_be_held:
        parameters.append(_PREFER)
    parameters.append(_VERSION)
    operation: Schema = {
        "operationId": described.name,
        "summary": described.summary,
        "description": f"Needs the scope `{described.scope}`.",
        "parameters": parameters,
    }
    if described.body is not None:
        serializer = described.body()
        bodies[described.body.__name__] = schema_of_serializer(serializer)
        is_needed = any(field.required for field in serializer.fields.values())
        reference = REFERENCE.format(name=described.body.__name__)
        operation["requestBody"] = {
            "required": is_needed,
            "content": {"application/json": {"schema": {"$ref": reference}}},
        }
    operation["responses"] = _responses(described, answers, has_path=has_path)
    return operation


def _responses(described: Described, answers: dict[str, Any], *, has_path: bool) -> Schema:
    responses: Schema = {}
    for status, type in sorted(described.answers.items()):
        answers[str(type)] = type
        responses[str(status)] = {
            "description": _MEANINGS[status],
            "headers": _references(_headers_of_answer(described, status)),
            "content": {"application/json": {"schema": str(type)}},
        }
    for status, problems in sorted(_problems_of(described, has_path=has_path).items()):
        codes = ", ".join(f"`{each.code}`" for each in problems)
        made = {
            "description": f"A problem: {codes}.",
            "headers": _references(_headers_of_problems(problems)),
        }
        responses[str(status)] = {**_response_with(problems), **made}
    return responses


def _response_with(problems: Iterable[Problem]) -> Schema:
    """Return the response with an example of each problem."""
    examples = {each.code: {"$ref": f"#/components/examples/{each.code}"} for each in problems}
    [(kind, content)] = _PROBLEM_RESPONSE["content"].items()
    return {**_PROBLEM_RESPONSE, "content": {kind: {**content, "examples": examples}}}


def _headers_of_answer(described: Described, status: int) -> Iterator[str]:
    yield from _SENT
    if 201 in described.answers:
        yield "Location"
    if status == 202:
        yield "Retry-After"
    if described.key is not IdempotencyKey.IGNORED:
        yield "Idempotent-Replayed"
    if described.may_be_held:
        yield "Preference-Applied"


def _headers_of_problems(problems: Collection[Problem]) -> Iterator[str]:
    yield "Request-Id"
    if _may_say_when(problems):
        yield "Retry-After"
    if catalogue.KEY_IN_USE in problems:
        yield "Location"


def _may_say_when(problems: Iterable[Problem]) -> bool:
    """Return True if an answer with one of these problems may have the header Retry-After."""
    return any(
        each.status == 429 or "Retry-After" in each.headers or each == catalogue.KEY_IN_USE
        for each in problems
    )


def _references(names: Iterable[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


_MEANINGS = {
    200: "The object, as it is now.",
    201: "Created. The result is known.",
    202: "Accepted. The result is not known yet: read the object in Location, or wait for its event.",
}


def _problems_of(described: Described, *, has_path: bool) -> Mapping[int, list[Problem]]:
    problems = [*_ALWAYS, *described.problems]
    if has_path:
        problems.append(catalogue.NOT_FOUND)
    if described.query is not None:
        problems.append(catalogue.INVALID_REQUEST)
    if described.reads_body:
        problems += _WITH_BODY
    if described.key is not IdempotencyKey.IGNORED:
        problems += (
            catalogue.KEY_NOT_READABLE,
            catalogue.KEY_REUSED,
            catalogue.KEY_IN_USE,
            catalogue.ANSWER_LOST,
        )
    if described.key is IdempotencyKey.REQUIRED:
        problems.append(catalogue.KEY_REQUIRED)
    if described.may_be_held:
        problems.append(catalogue.TOO_MANY_HELD)
    by_status: dict[int, list[Problem]] = defaultdict(list)
    for problem in problems:
        if problem not in by_status[problem.status]:
            by_status[problem.status].append(problem)
    return by_status


def _fill_in(paths: Mapping[str, Schema], schemas: Mapping[str, Schema]) -> None:
    """Replace the names of types by their schemas."""
    for item in paths.values():
        for method in item.values():
            for response in method.get("responses", {}).values() if isinstance(method, dict) else ():
                for content in response["content"].values():
                    if isinstance(content["schema"], str):
                        content["schema"] = schemas[content["schema"]]


def _scopes() -> str:
    lines = [f"- `{scope}`: {meaning}" for scope, meaning in MEANINGS.items()]
    return "An API key of the back office: `Authorization: Bearer sk_…`. Scopes:\n\n" + "\n".join(lines)
