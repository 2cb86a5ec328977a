"""Posts a message to a webhook.

The standard library's client is used because it logs no addresses: an address is a secret, and is told by its host
alone, in errors too.
"""

import http.client
import json
import random
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fixtures.notify_target import Shape, Webhook
from reports.delivery.message import Message
from reports.delivery.rendering import slack_text

ATTEMPTS: Final = 4
TIMEOUT: Final = 10.0  # seconds, for each thing that is waited for
_LONGEST_PAUSE = 30.0  # seconds
_AGAIN = {429, 500, 502, 503, 504}
_SAYING = re.compile(r"[a-z][a-z_ ]{1,60}")  # Slack's reasons: `invalid_payload`, `channel_is_archived`


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one attempt came to: `trouble` is empty where it worked; `wait` is what the server asked for, in seconds."""

    trouble: str = ""
    again: bool = False
    wait: float | None = None


def post(webhook: Webhook, message: Message, pause: Callable[[float], object] | None = None) -> str:
    """Post; answers why it could not be done, empty where it was.

    Sent again, a few times, when nobody answers, or the answer is 429 or a server's error: a message may arrive twice,
    but is not lost. Redirects are not followed: they would carry the message to a place that nobody named.
    """
    body = {"text": slack_text(message.text)} if webhook.shape is Shape.SLACK else message.document
    request = urllib.request.Request(  # noqa: S310 - the scheme was held to https, or http on this machine
        webhook.address.reveal(),
        data=json.dumps(body, ensure_ascii=False).encode(),
        headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "taegis-forwarders"},
        method="POST",
    )
    opener = _opener(webhook)
    rest = time.sleep if pause is None else pause
    for attempt in range(1, ATTEMPTS + 1):
        answer = _once(opener, request, webhook)
        if not answer.again or attempt == ATTEMPTS:
            times = f" ({attempt} attempts)" if answer.trouble and attempt > 1 else ""
            return f"{answer.trouble}{times}" if answer.trouble else ""
        drawn = random.uniform(0.5, 1) * 2 ** (attempt - 1)  # noqa: S311 - no secret
        rest(min(drawn if answer.wait is None else answer.wait, _LONGEST_PAUSE))
    raise AssertionError("a loop that always ends by itself")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow none; the answer then counts as an error."""


def _opener(webhook: Webhook) -> urllib.request.OpenerDirector:
    # proxies come from the environment, but none of them leads to this machine
    proxies = urllib.request.ProxyHandler({} if webhook.is_local else None)
    secure = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    return urllib.request.build_opener(proxies, secure, _NoRedirects())


def _once(opener: urllib.request.OpenerDirector, request: urllib.request.Request, webhook: Webhook) -> _Answer:
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            kind = str(answer.headers.get_content_type())
            # a portal's or proxy's page says 200 to everything
            return _Answer("a page answered, not a webhook" if kind == "text/html" else "")
    except urllib.error.HTTPError as error:
        with error:
            return _refused(error, webhook)
    except TimeoutError:
        return _Answer(f"no answer within {TIMEOUT:.0f} seconds", again=True)
    except urllib.error.URLError as error:
        return _unreachable(error.reason)
    except (http.client.HTTPException, OSError, ValueError) as error:
        # what these say may hold the address
        return _Answer(f"the connection failed: {type(error).__name__}", again=True)


def _refused(error: urllib.error.HTTPError, webhook: Webhook) -> _Answer:
    if 300 <= error.code < 400:
        return _Answer(f"answered {error.code}, a redirect, which is not followed")
    told = f"answered {error.code}{_said(error, webhook)}"
    return _Answer(told, again=error.code in _AGAIN, wait=_asked_for(error.headers.get("Retry-After")))


def _said(error: urllib.error.HTTPError, webhook: Webhook) -> str:
    """Why, as far as it is said in a few plain words that are no part of the address."""
    try:
        words = error.read(200).decode("ascii").strip()
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    plain = _SAYING.fullmatch(words) and words not in webhook.address.reveal()
    return f": {words}" if plain else ""


def _asked_for(header: str | None) -> float | None:
    return float(header) if header and re.fullmatch(r"[0-9]{1,6}", header) else None


def _unreachable(reason: object) -> _Answer:
    if isinstance(reason, TimeoutError):
        return _Answer(f"no answer within {TIMEOUT:.0f} seconds", again=True)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _Answer(f"its certificate does not hold: {reason.verify_message}")
    why = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
    return _Answer(f"not reached: {why}", again=True)
