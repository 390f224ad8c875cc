"""The table of captures, voids and refunds: what an answer of the provider says about one of them.

An answer has the order's last event and, at some providers, its sums. It seldom names an operation: of two
partial refunds it cannot say which one was made (alphagov/pay-connector, adr-001). So an operation is settled
if the answer names it, if the sums equal those of all operations of its kind, or if no sums are told and no
other operation explains the event. A refund must then be the only one ever, as a failed refund may still be
made.

If an operation that had arrived were sent again, its money would move twice, because not all providers
deduplicate, and none does so for ever. So it is sent again only if an answer shows that it is absent. Every
other answer leaves it undecided.

The provider's amount either replaces ours or contradicts it. Our amount never replaces the provider's.
"""

from checkout.money import Money
from checkout.payments.books.events import FOLLOW_CAPTURE, RELEASES
from checkout.payments.books.ours import FAILED, OF_ANOTHER_AMOUNT, WITHDRAWN, OurOperation, Ours, Range
from checkout.payments.books.theirs import Answer, keeps_less, reliable_sum
from checkout.payments.books.verdicts import Conclusion, Verdict
from checkout.payments.models.payment import Operation
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult, RefusalReason

Kind, State = Operation.Kind, Operation.State

OPEN_STATES = (State.PENDING, State.UNKNOWN)
# The last events that fit an operation of each kind that was made.
_MADE = {Kind.CAPTURE: FOLLOW_CAPTURE, Kind.REFUND: (EventKind.REFUNDED,)}
# The last event that an operation of each kind would have replaced on its arrival.
_WOULD_BE_REPLACED = {
    Kind.CAPTURE: EventKind.AUTHORISED,
    Kind.VOID: EventKind.AUTHORISED,
    Kind.REFUND: EventKind.CAPTURED,
}
# Last events after which the sums are complete. After the events of a refund, the sums may be older than that
# refund (``theirs.position_given``), and do not show which of two refunds of one amount is missing. Events
# that come by themselves (SETTLED, CHARGED_BACK) may have hidden the operation's own event.
_COMPLETE = {
    Kind.CAPTURE: (
        EventKind.AUTHORISED,
        EventKind.CAPTURED,
        EventKind.REFUNDED,
        EventKind.REFUND_FAILED,
    ),
    Kind.REFUND: (EventKind.CAPTURED,),
}
_OPEN = Verdict(Conclusion.OPEN, "G5")


# A reply to a capture, void or refund


def compare_reply(ours: OurOperation, result: ProviderResult, *, order_code: str, currency: str) -> Verdict:
    """Return what the reply to the latest copy of a request says about its operation.

    A refusal does not always prove that nothing was done. If the request was repeated, this copy may be
    refused because another copy has arrived. A void may be refused because nothing is held any more, which is
    the intended result.
    """
    amount = Money(ours.minor, currency)
    if (result.order_code or order_code) != order_code or (result.amount or amount) != amount:
        return Verdict(Conclusion.CONTRADICTION, "C2")
    reason = result.refusal.reason if result.refusal else ""
    if result.outcome == Outcome.APPROVED:
        return Verdict(Conclusion.SETTLED, "V1")
    if result.outcome == Outcome.PENDING:
        return Verdict(Conclusion.ACCEPTED, "C1")
    if result.outcome == Outcome.NOT_SENT:
        return Verdict(Conclusion.NOT_MADE, "C6")
    if result.outcome in (Outcome.NOT_FOUND, Outcome.NOT_ABLE):
        return Verdict(Conclusion.NOT_MADE, "C5")
    if result.outcome != Outcome.REFUSED:
        return Verdict(Conclusion.OPEN, "C7")
    if ours.kind == Kind.VOID:
        return Verdict(Conclusion.OPEN, "V2")
    if ours.state != State.REQUESTED or (ours.copies is not None and ours.copies.has_earlier):
        return Verdict(Conclusion.OPEN, "C4")
    return Verdict(Conclusion.REFUSED, "C3", reason)


# A withdrawal


def compare_withdrawal(ours: OurOperation, *, is_looked_up: bool) -> Verdict:
    """Return the verdict on an operation that is never to be sent again.

    It is refused if no copy can be at the provider, or if staff have looked it up there (``is_looked_up``)
    and it is missing. Otherwise only the provider's answers can tell.
    """
    if ours.is_clean or is_looked_up:
        return Verdict(Conclusion.REFUSED, "W1", WITHDRAWN)
    return Verdict(Conclusion.OPEN, "W2")


# An answer to an inquiry


def may_change(mine: OurOperation) -> bool:
    """Return True if an answer may change the state of an operation in our books."""
    return mine.state in OPEN_STATES or (mine.state == State.DONE and bool(mine.doubt))


def compare_answer(ours: Ours, mine: OurOperation, before: Ours, answer: Answer) -> Verdict:
    """Return what an answer says about one of our operations.

    ``before`` is our side as it was when the provider was asked. If our side has changed since, the answer
    cannot be compared with it.
    """
    if ours.entries(mine.kind) != before.entries(mine.kind):
        return _OPEN
    if mine.doubt == OF_ANOTHER_AMOUNT:
        return _compare_other_amount(ours, mine, answer)
    if mine.doubt:
        return _compare_doubted(ours, mine, answer)
    verdict = _compare_open(ours, mine, answer)
    if verdict.conclusion != Conclusion.OPEN:
        return verdict
    return _compare_absent(ours, mine, answer)


def _compare_open(ours: Ours, mine: OurOperation, answer: Answer) -> Verdict:
    """Return the verdict of an answer on an operation that no evidence contradicts."""
    event, result = answer.last_event, answer.result
    if mine.kind == Kind.VOID:
        if event in RELEASES:
            # If a sum is kept, only the rest was released.
            is_of_rest = result.kept is not None
            return Verdict(Conclusion.OPEN, "V6") if is_of_rest else Verdict(Conclusion.SETTLED, "V3")
        if event in FOLLOW_CAPTURE:
            return Verdict(Conclusion.REFUSED, "V4", RefusalReason.INVALID_REQUEST)
        return _OPEN
    if mine.reference in result.references:
        return _compare_named(ours, mine, answer)
    others = ours.without(mine)
    others_sum = others.range(mine.kind)
    is_alone = not (others_sum.entries or others_sum.after)
    is_only_one = ours.is_only_one_ever(mine) if mine.kind == Kind.REFUND else is_alone
    is_only_one = is_only_one and not ours.is_another_told(mine)
    if mine.kind == Kind.CAPTURE and event in RELEASES:
        return _compare_released(ours, mine, others_sum, answer, is_only_one=is_only_one)
    if mine.kind == Kind.CAPTURE and event == EventKind.CAPTURE_FAILED:
        # An earlier refund that failed may still be the last event.
        has_failed = is_only_one and ours.is_only_one_ever(mine)
        return Verdict(Conclusion.REFUSED, "C16", RefusalReason.INVALID_REQUEST) if has_failed else _OPEN
    if mine.kind == Kind.REFUND and event == EventKind.REFUND_FAILED:
        return Verdict(Conclusion.REFUSED, "C16", FAILED) if is_only_one else _OPEN
    if mine.kind == Kind.REFUND and event == EventKind.REFUND_SENT:
        return Verdict(Conclusion.ACCEPTED, "R3") if is_only_one else _OPEN
    theirs = reliable_sum(ours, result, mine.kind)
    if theirs is None:
        if not (is_only_one and event in _MADE[Kind(mine.kind)]):
            return _OPEN
        return _unless_of_another_amount(ours, mine, answer, "C14")
    # A failed refund that was made after all must not also explain the sum.
    is_shown = theirs == others_sum.most + mine.minor and theirs > others_sum.after
    return Verdict(Conclusion.SETTLED, "C13") if is_shown and event in _MADE[Kind(mine.kind)] else _OPEN


def _compare_named(ours: Ours, mine: OurOperation, answer: Answer) -> Verdict:
    """Return the verdict of the last event on an operation that the answer names by its reference."""
    event = answer.last_event
    if event in _MADE[Kind(mine.kind)]:
        return _unless_of_another_amount(ours, mine, answer, "C8")
    if event == EventKind.CAPTURE_FAILED:
        return Verdict(Conclusion.REFUSED, "C16", RefusalReason.INVALID_REQUEST)
    if event == EventKind.REFUND_SENT and mine.kind == Kind.REFUND:
        return Verdict(Conclusion.ACCEPTED, "R3")
    return _OPEN


def _unless_of_another_amount(ours: Ours, mine: OurOperation, answer: Answer, row: str) -> Verdict:
    """Settle an operation, unless the answer reports another amount for it, or shows that less of it is kept.

    The amount of an answer is the order's, or that of its last event.
    """
    told = answer.result.amount
    amounts = (None, Money(mine.minor, ours.owed.currency), ours.owed)
    is_of_event = answer.last_event in (EventKind.CAPTURED, EventKind.REFUNDED)
    if is_of_event and told not in amounts:
        return Verdict(Conclusion.CONTRADICTION, "C9" if mine.kind == Kind.CAPTURE else "R11")
    if mine.kind == Kind.CAPTURE and keeps_less(ours, answer.result, mine.minor):
        return _OPEN
    return Verdict(Conclusion.SETTLED, row)


def _compare_released(
    ours: Ours, mine: OurOperation, others: Range, answer: Answer, *, is_only_one: bool
) -> Verdict:
    """Return the verdict on a capture after the end of the authorisation: only the rest may have ended."""
    if answer.result.kept is not None:
        kept = reliable_sum(ours, answer.result, mine.kind)
        return Verdict(Conclusion.SETTLED, "C20") if kept == others.most + mine.minor else _OPEN
    is_refused = is_only_one and mine.minor == ours.owed.minor
    return Verdict(Conclusion.REFUSED, "C19", RefusalReason.INVALID_REQUEST) if is_refused else _OPEN


def _compare_absent(ours: Ours, mine: OurOperation, answer: Answer) -> Verdict:
    """Return the verdict on an operation that the answer does not show although it should.

    If the provider refused the only copy, or a void, and has not carried it out, the operation is refused. If
    the provider accepted a copy, that copy is not booked yet, and the refusal was the late answer to an
    earlier one. A withdrawn operation is never sent again, but a copy may wait at the provider.
    """
    is_shown_absent = answer.must_show and is_absent(ours, mine, answer)
    copies = mine.copies
    is_refused = copies is not None and copies.outcome == Outcome.REFUSED
    has_earlier = mine.kind != Kind.VOID and copies is not None and copies.has_earlier
    if is_shown_absent and is_refused and not has_earlier and mine.state != State.PENDING:
        return Verdict(Conclusion.REFUSED, "C15", RefusalReason.INVALID_REQUEST)
    if is_shown_absent and mine.is_withdrawn:
        is_over = answer.queue_is_over
        return Verdict(Conclusion.REFUSED, "W3", WITHDRAWN) if is_over else Verdict(Conclusion.OPEN, "W2")
    if mine.state != State.UNKNOWN or not (answer.must_show and answer.tells_the_order):
        return _OPEN
    # A copy that was refused would be refused again. An earlier copy may still be carried out.
    if is_shown_absent and copies is not None and not is_refused:
        return Verdict(Conclusion.ABSENT, "V5" if mine.kind == Kind.VOID else "C15")
    return Verdict(Conclusion.UNDECIDED, "C15")


def is_absent(ours: Ours, mine: OurOperation, answer: Answer) -> bool:
    """Return True if the answer shows that the provider has never had this operation.

    There are two proofs. The sums equal exactly those of the other operations of its kind. Or the operation
    is the first of its kind, and the order's last event is one that it would have replaced. A second refund,
    for example, does not change the last event of an order that is REFUNDED already. A void is idempotent, so
    sending it again does no harm.
    """
    kind, event = Kind(mine.kind), answer.last_event
    if kind == Kind.VOID:
        return event == _WOULD_BE_REPLACED[kind]
    if mine.copies is None or not mine.copies.was_alone or mine.copies.is_followed:
        return False
    if kind == Kind.REFUND and answer.result.is_behind:
        # If the last event does not show the capture yet, it may not show a refund either, and the sums may
        # be as old.
        return False
    others = ours.without(mine).range(kind)
    all_is_captured = ours.captured == ours.owed.minor
    total = reliable_sum(ours, answer.result, kind)
    if total is not None:
        # If only the kept sum is told, a capture that we do not know of would hide a refund.
        are_captures_told = kind == Kind.CAPTURE or answer.tells_all_sums or all_is_captured
        return others.least == others.most == total and are_captures_told and event in _COMPLETE[kind]
    # While something is left to capture, the event may come from a capture that followed this refund.
    is_unchanged = event == _WOULD_BE_REPLACED[kind] and (kind == Kind.CAPTURE or all_is_captured)
    return not others.entries and is_unchanged


# Evidence speaks against the operation


def _compare_other_amount(ours: Ours, mine: OurOperation, answer: Answer) -> Verdict:
    """Return the verdict on an operation that a proven event names with another amount.

    It is never settled with our amount: either the sums confirm the other amount, or nothing does. If staff
    have called it done, only sums that equal ours exactly show that they were right.
    """
    if mine.state == State.DONE and answer.may_be_from_before(mine.doubted_at):
        return _OPEN
    row = "C9" if mine.kind == Kind.CAPTURE else "R11"
    others = ours.without(mine).range(mine.kind)
    theirs = reliable_sum(ours, answer.result, mine.kind)
    if mine.state == State.DONE and others.least == others.most and theirs == others.most + mine.minor:
        return Verdict(Conclusion.SETTLED, row)
    is_other = theirs is not None and theirs not in (others.most, others.most + mine.minor)
    if is_other and answer.last_event in _MADE[Kind(mine.kind)]:
        return Verdict(Conclusion.CONTRADICTION, row)
    if not answer.tells_the_order:
        return _OPEN
    return Verdict(Conclusion.CONTRADICTION if mine.state == State.DONE else Conclusion.UNDECIDED, row)


def _compare_doubted(ours: Ours, mine: OurOperation, answer: Answer) -> Verdict:
    """Return the verdict on a refund that failed according to a notification.

    While it is in doubt, the refund is not sent again, and not settled. Queries are answered from copies of
    the provider's books, so an answer that contradicts very recent news may be older than that news.
    """
    verdict = _beyond_doubt(ours, mine, answer)
    if verdict.conclusion == Conclusion.SETTLED and answer.may_be_from_before(mine.doubted_at):
        return _OPEN
    if verdict.conclusion == Conclusion.REFUSED and mine.state == State.DONE:
        # A later event that a refund was made may be about this one. It may name no reference.
        made = [each.at for each in ours.told if each.kind == EventKind.REFUNDED and each.is_proven]
        moments = [each for each in (mine.updated_at, *made[-1:]) if each is not None]
        if moments and answer.may_be_from_before(max(moments)):
            return _OPEN
    return verdict


def _beyond_doubt(ours: Ours, mine: OurOperation, answer: Answer) -> Verdict:
    """Return what the answer shows for a refund that failed according to a notification.

    - If the provider's sum exceeds what the other refunds can explain, even if those that failed were made
      after all, it includes this refund. A sum that exceeds all refunds together has another reason.
    - If the other refunds explain the sum, and it has no room for this one, a refund that was done has come
      back. After REFUND_SENT that is not certain, because the sum of a refund on its way is still to come. A
      refund that was not done has failed only if the last event is a failure that can be no other refund's:
      otherwise it may still be booked, days later.
    - Any other sum may have another reason, which may become known later.
    - Without sums, a last event that is a failure may be about another refund, if there is one.
    """
    event = answer.last_event
    others = ours.without(mine).range(Kind.REFUND)
    is_done = mine.state == State.DONE
    refunded = reliable_sum(ours, answer.result, Kind.REFUND)
    if refunded is None:
        is_only_one = ours.is_only_one_ever(mine) and not ours.is_another_told(mine)
        if is_only_one and event == EventKind.REFUND_FAILED:
            return Verdict(Conclusion.REFUSED, "R7", FAILED)
        is_made = is_only_one and event == EventKind.REFUNDED
        return Verdict(Conclusion.SETTLED, "R7") if is_made else _OPEN
    if others.after < refunded <= others.after + mine.minor and refunded >= others.least + mine.minor:
        is_made = is_done or event in _MADE[Kind.REFUND]
        return Verdict(Conclusion.SETTLED, "R5") if is_made else _OPEN
    is_explained = others.least <= refunded <= others.most
    is_missing = is_explained and (others.least == others.most or refunded < mine.minor)
    if is_done:
        is_the_end = event != EventKind.REFUND_SENT
    else:
        is_the_end = event == EventKind.REFUND_FAILED and others.least == others.most
    return Verdict(Conclusion.REFUSED, "R6", FAILED) if is_missing and is_the_end else _OPEN
