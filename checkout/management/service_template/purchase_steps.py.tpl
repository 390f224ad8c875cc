"""The steps that the ${name} service adds to the purchase."""

from checkout.own.step import OwnStep, Place

from .messages import Begin, Result, Undo

STEPS = [
    OwnStep(
        name="${name}",
        place=Place.BEFORE_AUTHORISATION,
        asks=Begin,
        goes_on=[Result.ACCEPTED],
        refuses={Result.REFUSED: "not_available"},
        advice={"not_available": "The shop cannot accept this order as it is. Please ask the shop."},
        undo=Undo,
    )
]
