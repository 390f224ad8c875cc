"""The ${name} service. Each command may come twice, and the undoing before what it undoes."""

from ${name}.messages import Begin${Name}, Result, Undo${Name}, ${Name}Done
from ${name}.models import ${Name}Work

from checkout.messages import Done
from checkout.service import Service
from messaging.worker.service import Message, require_proof

service = Service("${name}", admit=require_proof)


@service.handles(Begin${Name})
def begin(command: Begin${Name}, message: Message) -> ${Name}Done:
    """Do the work once. Write here what your service does."""
    work = _work(command.attempt)
    return ${Name}Done(result=Result.REFUSED if work.is_undone else Result.ACCEPTED)


@service.handles(Undo${Name})
def undo(command: Undo${Name}, message: Message) -> Done:
    """Undo the work for good."""
    work = _work(command.attempt)
    work.is_undone = True
    work.save()
    return Done()


def _work(attempt: str) -> ${Name}Work:
    """Return the row of the attempt, locked; insert it if there is none."""
    work, _ = ${Name}Work._default_manager.select_for_update().get_or_create(attempt=attempt)
    return work
