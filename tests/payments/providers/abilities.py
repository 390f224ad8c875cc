"""Abilities that not every provider has. Without one, the tests of the contract for it are skipped."""

import pytest


class Abilities:
    """The abilities of a provider. A subclass sets the constant of a missing one to False.

    Without ``CAPTURES_WITH_AUTHORISATION``, each capture has to be requested. Without ``TELLS_POSITIONS``,
    inquiries return no sums. With ``HAS_UNSENDABLE_AMOUNTS``, the shop's account sends amounts in HUF without
    decimals; without it, the account can send every amount. Without ``REMEMBERS_KEYS``, a repeated request is
    carried out again.
    """

    REMEMBERS_KEYS = True
    CAPTURES_WITH_AUTHORISATION = True
    TELLS_POSITIONS = True
    HAS_UNSENDABLE_AMOUNTS = True
    SAVES_CARDS = True
    DELETES_TOKENS = True

    @pytest.fixture
    def remembers_keys(self) -> None:
        if not self.REMEMBERS_KEYS:
            pytest.skip("this provider does not recognise repeated requests")

    @pytest.fixture
    def includes_captures(self) -> None:
        if not self.CAPTURES_WITH_AUTHORISATION:
            pytest.skip("this provider is asked for each capture")

    @pytest.fixture
    def tells_positions(self) -> None:
        if not self.TELLS_POSITIONS:
            pytest.skip("this provider tells no sums")

    @pytest.fixture
    def has_unsendable_amounts(self) -> None:
        if not self.HAS_UNSENDABLE_AMOUNTS:
            pytest.skip("this account can send every amount")

    @pytest.fixture
    def saves_cards(self) -> None:
        if not self.SAVES_CARDS:
            pytest.skip("this provider saves no cards")

    @pytest.fixture
    def deletes_tokens(self) -> None:
        if not (self.SAVES_CARDS and self.DELETES_TOKENS):
            pytest.skip("this provider deletes no tokens")
