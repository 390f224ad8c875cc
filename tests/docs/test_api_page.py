"""The page about the API names the values that programs compare."""

import re

from checkout.payments.objects.advice import OUT_OF_STOCK
from checkout.payments.providers.base import RefusalReason
from checkout.states import AttemptState
from tests.support.program import ROOT

PAGE = ROOT.joinpath("docs", "api.md").read_text()


def test_every_code_of_a_decline_is_explained_and_no_other():
    section = PAGE.partition("\n## Declines\n")[2].partition("\n## ")[0]
    explained = re.findall(r"^\| `(\w+)` \|", section.partition("|---|---|\n")[2], re.M)
    of_attempts = (AttemptState.EXPIRED, AttemptState.NOT_SENT)
    assert sorted(explained) == sorted([*RefusalReason, OUT_OF_STOCK, *of_attempts])
