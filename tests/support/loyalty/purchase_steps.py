"""The steps that the loyalty service adds to the purchase."""

from checkout.messages import Success
from checkout.own.step import OwnStep, Place
from tests.support.loyalty.messages import (
    AwardPoints,
    HoldPoints,
    Points,
    ReleasePoints,
    TakePointsBack,
)

STEPS = [
    OwnStep(
        name="hold_points",
        place=Place.BEFORE_AUTHORISATION,
        asks=HoldPoints,
        goes_on=[Points.HELD],
        refuses={Points.SHORT: "points_short"},
        advice={"points_short": "You have too few points. Please pay without them."},
        undo=ReleasePoints,
    ),
    OwnStep(
        name="award_points",
        place=Place.AFTER_CAPTURE,
        asks=AwardPoints,
        goes_on=[Success.DONE],
        undo=TakePointsBack,
    ),
]
