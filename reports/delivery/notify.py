"""Tells everybody who is to be told: each on its own, so that one who cannot be reached keeps nobody else waiting."""

from collections.abc import Callable, Sequence

from fixtures.errors import InputError
from fixtures.notify_target import Target, Topic
from reports.delivery.access import Access
from reports.delivery.message import Message
from reports.delivery.outcome import INTERRUPTED, Sent, broken
from reports.delivery.topic import publish
from reports.delivery.webhook import post


def notify(targets: Sequence[Target], message: Message, enter: Callable[[str], Access]) -> tuple[Sent, ...]:
    """Send to each target in turn; what went wrong with one is told in its outcome.

    `enter` makes the access to AWS, given a region; it is asked only where a topic is among the targets.
    """
    sent: list[Sent] = []
    for target in targets:
        try:
            trouble = _sent(target, message, enter)
        except KeyboardInterrupt:
            return (*sent, *(Sent(str(left), INTERRUPTED) for left in targets[len(sent) :]))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the others are told, and the verdict stands
            trouble = broken(error)
        sent.append(Sent(str(target), trouble))
    return tuple(sent)


def _sent(target: Target, message: Message, enter: Callable[[str], Access]) -> str:
    if not isinstance(target, Topic):
        return post(target, message)
    try:
        access = enter(target.region)
    except InputError as error:  # no credentials: it is too late to refuse the run
        return str(error)
    return publish(target, message, access)
