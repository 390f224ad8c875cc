"""Generated requests are changed only where they follow the document, so that wrong ones stay wrong."""

import pytest
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode

from tests.api.fuzz.generated import MEANINGFUL, aim, is_correct, loaded

PAYMENT = f"pay_{1:032x}"
KNOWN = {"pay": [PAYMENT]}
ORDER = {"description": "Tea", "currency": "XXX", "amount": 7}
schema = loaded()


def generated(path, mode):
    """Return a generated case with at least one part of this mode."""
    operation = schema[path]["POST"]
    case = operation.as_strategy(generation_mode=mode).example()
    assert case.meta is not None
    return case


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_a_correct_id_is_replaced_by_a_known_one():
    case = generated("/api/v1/payments/{reference}/cancel", GenerationMode.POSITIVE)
    aim(case, KNOWN)
    assert case.path_parameters["reference"] == PAYMENT
    aim(case, {"op": ["op_known"]})
    assert case.path_parameters["reference"] == PAYMENT


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_correct_bodies_get_a_meaning_in_half_of_the_cases_and_wrong_ones_stay():
    case = generated("/api/v1/payments", GenerationMode.POSITIVE)
    seen = set()
    for number in range(20):
        case.body = {**ORDER, "order_reference": f"order-{number}"}
        aim(case, KNOWN)
        seen.add((case.body["currency"], case.body["amount"]))
    assert seen == {(ORDER["currency"], ORDER["amount"]), (MEANINGFUL["currency"], MEANINGFUL["amount"])}


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_a_wrong_part_is_known_as_wrong():
    case = generated("/api/v1/payments", GenerationMode.NEGATIVE)
    parts = {location for location in ParameterLocation if not is_correct(case, location)}
    assert parts
