"""The point at which a run gives up asking a provider."""

# Questions in a row without an answer: the provider is away.
UNANSWERED = 5
# Answers in a row that say nothing: not a few orders are the cause, but the provider or our adapter.
NOT_UNDERSTOOD = 100


class Patience:
    """A count of the questions in a row that were asked in vain.

    ``was_reached`` says that the provider has answered at least one question of the run.
    """

    def __init__(self) -> None:
        self.was_reached = False
        self._unanswered = self._not_understood = 0

    def answered(self) -> None:
        """Note an answer that was understood."""
        self.was_reached = True
        self._unanswered = self._not_understood = 0

    def not_understood(self) -> None:
        """Note an answer that says nothing."""
        self.was_reached = True
        self._unanswered = 0
        self._not_understood += 1

    def unanswered(self) -> None:
        """Note a question without an answer."""
        self._unanswered += 1

    @property
    def is_exhausted(self) -> bool:
        """Return True if the run should ask no more."""
        return self._unanswered >= UNANSWERED or self._not_understood >= NOT_UNDERSTOOD
