"""The loyalty service. A command may come twice, and one that undoes another may come before it."""

from checkout.messages import Done
from checkout.service import Service
from messaging.worker.service import CommandRejected, Message, require_proof
from tests.support.loyalty.messages import (
    AwardPoints,
    HoldPoints,
    PointsHeld,
    ReleasePoints,
    TakePointsBack,
)
from tests.support.loyalty.models import Points

service = Service("loyalty", admit=require_proof)


@service.handles(HoldPoints)
def hold(command: HoldPoints, message: Message) -> PointsHeld:
    """Hold the points, unless they have been released."""
    points = _points(command.attempt)
    if points.is_released or command.email.startswith("poor"):
        return PointsHeld(held=False)
    if not points.is_held:
        points.is_held = True
        points.holds += 1
        points.save()
    return PointsHeld(held=True)


@service.handles(ReleasePoints)
def release(command: ReleasePoints, message: Message) -> Done:
    """Release the points for good."""
    points = _points(command.attempt)
    points.is_held, points.is_released = False, True
    points.save()
    return Done()


@service.handles(AwardPoints)
def award(command: AwardPoints, message: Message) -> Done:
    """Award points, unless they have been taken back."""
    points = _points(command.attempt)
    if points.is_taken_back:
        raise CommandRejected("taken_back", "The points have been taken back.")
    if not points.is_awarded:
        points.is_awarded = True
        points.awards += 1
        points.save()
    return Done()


@service.handles(TakePointsBack)
def take_back(command: TakePointsBack, message: Message) -> Done:
    """Take awarded points back for good."""
    points = _points(command.attempt)
    points.is_awarded, points.is_taken_back = False, True
    points.save()
    return Done()


def _points(attempt: str) -> Points:
    points, _ = Points._default_manager.select_for_update().get_or_create(attempt=attempt)
    return points
