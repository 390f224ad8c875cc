"""The steps that the ${name} service adds to the purchase."""

from ${name}.messages import Begin${Name}, Result, Undo${Name}

from checkout.own.step import OwnStep, Place

STEPS = [
    OwnStep(
        name="${name}",
        place=Place.BEFORE_AUTHORISATION,
        asks=Begin${Name},
        goes_on=[Result.ACCEPTED],
        refuses={Result.REFUSED: "not_permitted"},
        undo=Undo${Name},
    )
]
