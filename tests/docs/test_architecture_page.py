"""The page about the architecture quotes code as it is."""

from tests.support.pages import block_of, text_of

FLOW = text_of("checkout/payments/sagas/purchase/flow.py")


def test_the_row_that_the_page_quotes_is_one_of_the_purchase():
    row = block_of(text_of("docs/architecture.md"), opening="Step(", language="python")
    assert " ".join(row.split()) in " ".join(FLOW.split())
