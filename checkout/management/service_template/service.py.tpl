"""The ${name} service. Each command may come twice, and the undoing before what it undoes."""

from checkout.messages import Done
from checkout.service import Service
from messaging.worker.service import Message, require_proof

from .messages import Begin, Begun, Result, Undo
from .models import Work

service = Service("${name}", admit=require_proof)


@service.handles(Begin)
def begin(command: Begin, message: Message) -> Begun:
    """Do the work once. Write here what your service does."""
    work = _work(command.attempt)
    return Begun(result=Result.REFUSED if work.is_undone else Result.ACCEPTED)


@service.handles(Undo)
def undo(command: Undo, message: Message) -> Done:
    """Undo the work for good."""
    work = _work(command.attempt)
    work.is_undone = True
    work.save()
    return Done()


def _work(attempt: str) -> Work:
    """Return the row of the attempt, locked; insert it if there is none."""
    work, _ = Work._default_manager.select_for_update().get_or_create(attempt=attempt)
    return work
