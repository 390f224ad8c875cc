"""The rules for the structure of the code, checked on the source itself."""

import ast
import re
from collections import defaultdict

import pytest

from tests.support.program import ROOT
from tests.support.source import imported_names, is_within, modules_of, offences
from tests.support.tables import our_models

EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "managers", "misc", "tools"}

# The commands and answers of each service, which every other part may import.
MESSAGES = {
    "checkout.orders.messages",
    "checkout.risk.messages",
    "checkout.ledger.messages",
    "checkout.receipts.messages",
    "checkout.payments.messages",
    "checkout.payments.checkout_messages",
}

# From the bottom up: a layer may import itself and those before it. Modules that are not listed (start-up,
# commands, the project) are above all layers.
LAYERS = (
    {
        f"checkout.{part}"
        for part in "audit colours conf crash_points csv_text database described errors keys".split()
        + "languages localised_money localised_times mail messages money own privacy problems".split()
        + "qr_codes rates references service states tallies version".split()
    }
    | MESSAGES,
    {
        f"checkout.payments.{part}"
        for part in "models providers locking totals objects events calls books card_brands".split()
        + "dispute_reasons logos".split()
    },
    {f"checkout.payments.{part}" for part in "challenge_token sagas".split()},
    {
        "checkout.payments",
        "checkout.orders",
        "checkout.risk",
        "checkout.ledger",
        "checkout.receipts",
        "checkout.webhooks",
    },
    {"checkout.reconciliation"},
    {"checkout.api"},
    {"checkout.web", "checkout.backoffice"},
)
EDGES = LAYERS[-1]

# The apps that own tables. Each may have a database of its own, so no other app reads its tables.
APPS = {f"checkout.{name}" for name in "payments risk orders ledger receipts webhooks keys audit".split()}
# An app's modules for all others, beside its messages: functions that read its tables for them.
INTERFACES = {
    "checkout.ledger.books",
    "checkout.ledger.daily_totals",
    "checkout.orders.stock",
    "checkout.payments.event_feed",
    *(f"checkout.receipts.{part}" for part in "objects resending".split()),
    *(f"checkout.webhooks.{part}" for part in "actions objects delivery_queries returns".split()),
}
# Packages that work with the tables of the payments app. The API's own tables are in the same database,
# because its answers are written in the transactions of payments.
OF_PAYMENTS = {"checkout.api", "checkout.reconciliation", "checkout.web"}

# The layers of messaging: first the contract, then the brokers, then the users of either broker.
MESSAGING_LAYERS = (
    {
        "setting",
        "conf",
        "errors",
        "crash_points",
        "tallies",
        "traces",
        "concurrency",
        "libraries",
        "logs",
        "compiled_queries",
    },
    {"envelope", "topology", "storable", "cloud_events"},
    {"inspection"},
    {"delivery", "access"},
    {"reply_queue"},
    {"broker"},
    {"rabbitmq", "memory"},
    {"registry"},
    {"outbox", "dead_letters", "channels"},
    {"rpc", "worker"},
)

# The layers of the sandbox; modules that are not listed are above all of them.
SANDBOX_LAYERS = (
    {"traits", "scenarios", "errors", "configuration", "changes", "clock", "pages", "storage"},
    {"faults"},
    {"books"},
    {"messages"},
    {"notifications"},
    {"bank"},
    {"wpg", "issuer"},
)

# The only modules that may import each library. Client programs use the gateway from outside.
CLIENT_PROGRAMS = ("sandbox", "checkout.tryout")
HOMES = {
    "babel": ("checkout.localised_money", "checkout.localised_times"),
    "axes": ("checkout.backoffice.log_in", "checkout.payments.timers.expired_counters"),
    "django_otp": ("checkout.backoffice.log_in.second_factor",),
    "segno": ("checkout.qr_codes",),
    "opentelemetry": ("messaging.traces.open_telemetry", "checkout.running.tracing"),
    "pika": ("messaging.rabbitmq",),
    "requests": ("checkout.payments.providers.transport", *CLIENT_PROGRAMS),
    "rest_framework": ("checkout.api",),
    "django.conf": (
        "checkout.conf",
        "messaging.conf",
        "messaging.setting",
        "payments_gateway.serving.conf",
    ),
    "aiohttp": ("checkout.webhooks.sending",),
    "cryptography": (
        "checkout.privacy.card_seal",
        "checkout.privacy.cursors",
        "checkout.privacy.stored_secrets",
        "checkout.webhooks.signing",
    ),
}
DEVELOPMENT_ONLY = ("pytest", "hypothesis", "playwright", "lxml", "tests", "scripts")
UNSAFE = ("pickle", "marshal", "shelve")

PRODUCT = modules_of("messaging", "checkout", "sandbox", "payments_gateway")
MESSAGING = [module for module in PRODUCT if is_within(module.name, "messaging")]
CHECKOUT = [module for module in PRODUCT if is_within(module.name, "checkout")]
SERVING = [module for module in PRODUCT if is_within(module.name, "payments_gateway.serving")]
SANDBOX = [module for module in PRODUCT if is_within(module.name, "sandbox")]


def test_a_file_has_a_name_for_its_idea():
    every = modules_of("messaging", "checkout", "sandbox", "payments_gateway", "scripts", "tests")
    assert len(every) > 1000
    assert not [module.name for module in every if EMPTY_NAMES & set(module.name.split("."))]


def test_checkout_does_not_know_the_project_that_contains_it():
    """The project's server is a library of its own, which knows only callbacks of the application."""
    assert not offences(
        CHECKOUT,
        lambda _module, name: (
            is_within(name, "payments_gateway") and not is_within(name, "payments_gateway.serving")
        ),
    )


def test_serving_knows_nothing_about_payments():
    """Serving is below the application, which passes values in and puts marks on views."""
    assert SERVING
    assert not offences(
        SERVING,
        lambda _module, name: (
            is_within(name, "checkout", "sandbox")
            or (is_within(name, "payments_gateway") and not is_within(name, "payments_gateway.serving"))
        ),
    )
    spoken = re.compile(r"checkout|shopper|saga|\bcard|provider|payment(?!s_gateway|=)", re.IGNORECASE)
    assert not [module.name for module in SERVING if spoken.search(module.source)]


def rank_in(layers, name):
    """Return the number of the layer that has the longest prefix of the name."""
    parts = name.split(".")
    prefixes = [".".join(parts[:length]) for length in range(len(parts), 1, -1)]
    ranks = {prefix: rank for rank, layer in enumerate(layers) for prefix in layer}
    return next((ranks[prefix] for prefix in prefixes if prefix in ranks), len(layers))


def test_lower_layers_do_not_import_higher_ones():
    def climbs(module, name):
        is_module = name in {each.name for each in CHECKOUT} and name != "checkout"
        return is_module and rank_in(LAYERS, name) > rank_in(LAYERS, module.name)

    assert len(PRODUCT) > 30
    assert not offences(CHECKOUT, climbs)


def test_messaging_knows_nothing_about_payments():
    assert MESSAGING
    assert not offences(
        MESSAGING, lambda _module, name: is_within(name, "checkout", "payments_gateway", "sandbox")
    )
    spoken = re.compile(r"payment|checkout|shopper|saga|\bcard|(?<!Tracer)provider", re.IGNORECASE)
    assert not [module.name for module in MESSAGING if spoken.search(module.source)]


def test_in_messaging_the_contract_comes_first():
    ranks = {part: rank for rank, layer in enumerate(MESSAGING_LAYERS) for part in layer}

    def rank_of(name):
        return ranks[name.split(".")[1]]

    def climbs(module, name):
        is_ours = is_within(name, "messaging") and name.count(".") and name.split(".")[1] in ranks
        return is_ours and rank_of(name) > rank_of(module.name)

    assert not offences([module for module in MESSAGING if module.name != "messaging"], climbs)


def in_circles(imports):
    """Return the names that import themselves through others; `imports` has the imports of each name."""

    def reached(name, seen):
        for other in imports[name] & imports.keys() - {name}:
            if other not in seen:
                seen.add(other)
                reached(other, seen)
        return seen

    return [name for name in imports if name in reached(name, set())]


@pytest.mark.parametrize("package", [MESSAGING, SERVING], ids=["messaging", "serving"])
def test_no_module_imports_one_that_imports_it(package):
    assert not in_circles({module.name: module.imports for module in package})


def test_no_folder_of_the_back_office_imports_one_that_imports_it():
    imports: defaultdict[str, set[str]] = defaultdict(set)
    for module in CHECKOUT:
        if is_within(module.name, "checkout.backoffice") and module.name.count(".") > 2:
            folders = {".".join(name.split(".")[:3]) for name in module.imports}
            imports[".".join(module.name.split(".")[:3])] |= folders
    assert len(imports) > 4
    assert not in_circles(imports)


@pytest.mark.parametrize("edge", sorted(EDGES))
def test_no_edge_imports_another(edge):
    own = [module for module in CHECKOUT if is_within(module.name, edge)]
    assert own
    assert not offences(own, lambda _module, name: is_within(name, *EDGES - {edge}))


@pytest.mark.parametrize("app", sorted(APPS))
def test_no_app_imports_the_models_or_the_service_of_another(app):
    """The back office shows all tables, and start-up and commands work with all of them."""
    packages = {app, *OF_PAYMENTS} if app == "checkout.payments" else {app}
    own = [module for module in CHECKOUT if is_within(module.name, *packages)]
    open_to_others = {*INTERFACES, *(f"{other}.messages" for other in APPS)}
    assert own
    assert not offences(
        own,
        lambda _module, name: (
            is_within(name, *APPS - {app}) and name not in APPS and not is_within(name, *open_to_others)
        ),
    )


def test_no_app_has_a_foreign_key_to_another():
    models = list(our_models())
    assert len(models) > 20
    assert not [
        f"{model.__name__}.{field.name}"
        for model in models
        for field in model._meta.get_fields()
        if field.is_relation and field.related_model in models
        if field.related_model._meta.app_label != model._meta.app_label
    ]


def test_the_sandbox_imports_nothing_of_ours():
    assert SANDBOX
    assert not offences(
        SANDBOX,
        lambda _module, name: is_within(name, "checkout", "messaging", "payments_gateway"),
    )


def test_in_the_sandbox_imports_go_one_way():
    ranks = {part: rank for rank, layer in enumerate(SANDBOX_LAYERS) for part in layer}
    top = len(SANDBOX_LAYERS)

    def climbs(module, name):
        if not is_within(name, "sandbox") or not name.count("."):
            return False
        return ranks.get(name.split(".")[1], top) > ranks.get(module.name.split(".")[1], top)

    assert not offences([module for module in SANDBOX if module.name != "sandbox"], climbs)


def test_nothing_of_ours_imports_the_sandbox_but_the_command_that_starts_it():
    rest = [module for module in PRODUCT if module not in SANDBOX]
    starter = "checkout.management.commands.run_sandbox"
    assert not offences(rest, lambda module, name: is_within(name, "sandbox") and module.name != starter)


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_imported_only_where_it_belongs(library):
    assert not offences(
        [*CHECKOUT, *MESSAGING, *SANDBOX, *SERVING],
        lambda module, name: is_within(name, library) and not is_within(module.name, *HOMES[library]),
    )


@pytest.mark.parametrize("library", [*DEVELOPMENT_ONLY, *UNSAFE])
def test_a_library_is_not_part_of_the_product(library):
    assert not offences(PRODUCT, lambda _module, name: is_within(name, library))


def test_money_is_never_a_fraction():
    models = [module for module in CHECKOUT if "models" in module.name.split(".")]
    assert models
    assert not [module.name for module in models if "FloatField" in module.source]
    assert not [module.name for module in models if "DecimalField" in module.source]


def test_only_providers_and_issuers_may_post_without_a_csrf_token():
    exempt = {
        f"{module.name}.{definition.name}"
        for module in CHECKOUT
        for definition in ast.walk(module.tree)
        if isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and any("csrf_exempt" in ast.unparse(decorator) for decorator in definition.decorator_list)
    }
    others = [
        module for module in PRODUCT if module.name != "payments_gateway.serving.views"
    ]  # defines `csrf_exempt`
    mentions = sum(module.source.count("csrf_exempt") for module in others)
    imports = sum(name.endswith(".csrf_exempt") for module in others for name in module.imports)
    # The pages for unknown addresses and the descriptions of the API change nothing, so they need no
    # protection. DRF exempts the API's views, which use no cookies.
    assert exempt == {
        "checkout.web.views.challenge.challenge_return",
        "checkout.web.notifications.receive",
        "checkout.web.views.errors.no_such_page",
        "checkout.web.views.errors.no_such_program_address",
        "checkout.api.description.document.openapi",
        "checkout.api.description.problem_page.problem_page",
        "checkout.api.description.reference.reference",
    }
    assert mentions == len(exempt) + imports, "exempt by decorator only, where it is seen"


@pytest.mark.parametrize(
    ("source", "package", "expected"),
    [
        ("import pika.exceptions", "checkout", {"pika.exceptions"}),
        ("def later():\n    from django.conf import settings", "x", {"django.conf", "django.conf.settings"}),
        ("from . import models", "checkout", {"checkout", "checkout.models"}),
        ("from .views import pay", "checkout.web", {"checkout.web.views", "checkout.web.views.pay"}),
        ("from ..money import Money", "checkout.models", {"checkout.money", "checkout.money.Money"}),
    ],
)
def test_every_kind_of_import_is_seen(source, package, expected):
    assert set(imported_names(ast.parse(source), package)) == expected


def test_the_product_ships_no_document_type_definition():
    packages = ("messaging", "checkout", "sandbox", "payments_gateway")
    assert not [path for package in packages for path in (ROOT / package).rglob("*.dtd")]
