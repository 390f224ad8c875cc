"""A service of the gateway, which registers handlers by the class of the command."""

from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from checkout.messages import Answer, Command
from messaging.access.participants import service_of
from messaging.worker import service
from messaging.worker.message import Message

CommandT = TypeVar("CommandT", bound=Command[Any])
AnswerT = TypeVar("AnswerT", bound=Answer | None)


class Service(service.Service):
    """A service that identifies commands by their classes instead of their types on the wire."""

    def handles(
        self,
        command: type[CommandT],
        *,
        transactional: bool = True,
        free: bool = False,
        admits_itself: bool = False,
    ) -> Callable[[Callable[[CommandT, Message], AnswerT]], Callable[[CommandT, Message], AnswerT]]:
        """Register the handler of ``command``. For the options see ``messaging.worker.service.Service``.

        The handler returns the command's answer, or None if the answer is sent with ``message.reply``, or
        later. Raises TypeError if the handler's annotations have another command or another answer, or if the
        command is for another service.
        """

        def register(
            function: Callable[[CommandT, Message], AnswerT],
        ) -> Callable[[CommandT, Message], AnswerT]:
            hints = get_type_hints(function)
            if len(hints) < 3 or "return" not in hints:
                raise TypeError(
                    f"{function.__qualname__} lacks annotations: it is a function with (command: "
                    f"{command.__name__}, message: Message), and has its answer behind ->"
                )
            taken, *_, returned = hints.values()
            if taken is not command:
                raise TypeError(f"{function.__qualname__} takes {taken}, not {command}")
            if returned not in (type(None), command.answer):
                raise TypeError(f"{function.__qualname__} answers {returned}, not {command.answer}")
            if service_of(command.to) != self.name:
                raise TypeError(f"{command.to} is not for {self.name}")
            options = {"transactional": transactional, "free": free, "admits_itself": admits_itself}
            return self.command(command.to, **options)(function)

        return register
