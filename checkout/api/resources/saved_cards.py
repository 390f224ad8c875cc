"""Saved cards: list those of a customer, read one, remove one."""

from typing import ClassVar

from rest_framework.request import Request

from checkout.api.access.scopes import Scope
from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.requests.description import Described
from checkout.api.requests.view import ApiView
from checkout.api.resources import inputs
from checkout.api.resources.lists import ListObject, list_of
from checkout.payments.actions import payment_queries, saved_cards
from checkout.payments.objects.saved_card import SavedCardObject, saved_card_object


class SavedCards(ApiView):
    """The cards of one customer of the merchant."""

    methods: ClassVar = {
        "GET": Described(
            name="listSavedCards",
            summary="List the cards that a customer has saved, the newest first; removed ones are left out",
            scope=Scope.SAVED_CARDS_READ,
            query=inputs.SavedCards,
            answers={200: ListObject[SavedCardObject]},
        )
    }

    def get(self, request: Request) -> Answer:
        """Return a page."""
        wanted = self.query
        rows = saved_cards.cards_of(self.merchant, wanted.pop("customer_reference"))
        page = payment_queries.page_of(
            self.merchant.code, rows, objects=lambda found: list(map(saved_card_object, found)), **wanted
        )
        return Answer.of(200, list_of(page))


class OneSavedCard(ApiView):
    """One saved card."""

    methods: ClassVar = {
        "GET": Described(
            name="getSavedCard",
            summary="Read a saved card, also after it was removed",
            scope=Scope.SAVED_CARDS_READ,
            answers={200: SavedCardObject},
            problems=(catalogue.SAVED_CARD_NOT_FOUND,),
        ),
        "DELETE": Described(
            name="removeSavedCard",
            summary="Remove a saved card, so that it can never be charged again",
            scope=Scope.SAVED_CARDS_REMOVE,
            answers={200: SavedCardObject},
            problems=(catalogue.SAVED_CARD_NOT_FOUND,),
        ),
    }

    def get(self, request: Request, reference: str) -> Answer:
        """Return the card."""
        return Answer.of(200, saved_card_object(saved_cards.card_of(self.merchant, reference)))

    def delete(self, request: Request, reference: str) -> Answer:
        """Remove the card. If it is removed already, nothing changes."""
        removed = saved_cards.remove_card(self.merchant, reference, by=self.by)
        return Answer.of(200, saved_card_object(removed))
