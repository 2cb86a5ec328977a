"""Starts the suite as its user does, with one fault installed between boto3 and the engine.

    python tests/chaos/launcher.py SPECS OPTIONS...

SPECS is a JSON list of `Spec.text()`. The product has no hook for this: what is replaced is botocore's sender, and
`Writer.write` only
to know which write a request belongs to.
"""

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import botocore.endpoint  # noqa: E402, TID251  the border that the faults stand at
import botocore.httpsession  # noqa: E402, TID251  same
from botocore.awsrequest import AWSResponse  # noqa: E402, TID251  same
from botocore.exceptions import ReadTimeoutError  # noqa: E402, TID251  same
from urllib3 import HTTPResponse  # noqa: E402  the path is set first

from fixtures.governor import Governor  # noqa: E402  the path is set first
from fixtures.sandbox.aws_call import Answer, json_error, query_error, s3_error  # noqa: E402  the path is set first
from fixtures.sandbox.seed_foundation import LEGACY_KEY, legacy_bucket  # noqa: E402  the path is set first
from fixtures.sandbox.synthetic_release import PACKAGE, artifact_bucket  # noqa: E402  the path is set first
from remediation.call import Call  # noqa: E402  the path is set first
from remediation.writer import Limits, Writer  # noqa: E402  the path is set first
from tests.chaos import neighbours  # noqa: E402  the path is set first
from tests.chaos.estate import ACCOUNT, BUCKET  # noqa: E402  the path is set first
from tests.chaos.faults import Fault, Spec  # noqa: E402  the path is set first

Send = Callable[[object], AWSResponse]
SLOW = "waf-public"
_TIMES = 3
_PATIENCE = 6.0  # seconds
XML = ((b"content-type", b"text/xml"),)
_CONFLICTS = {
    "s3": "OperationAborted",
    "lambda": "ResourceConflictException",
    "cloudformation": "OperationInProgressException",
}


class Chaos:
    """Counts the writes, and lets the fault happen at the chosen one."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._here = threading.local()
        self._guard = threading.Lock()
        self._seen = 0
        self._region = self._account = ""  # of the chosen write
        self._dead: set[str] = set()  # access keys of sessions that expired
        self._lied: set[str] = set()  # stacks of which the truth is not told
        self._attempts = 0
        self._asked = 0

    def install(self) -> None:
        write, send = Writer.write, botocore.httpsession.URLLib3Session.send
        answer = botocore.endpoint.Endpoint._do_get_response

        def noting_write(writer: Writer, step: str, call: Call, **more: object) -> object:
            chosen = self._here.chosen = self._reached(step, call)
            self._here.writing = call
            self._region = more.get("region") or writer.region if chosen else self._region
            if chosen:
                self._account = writer.account
                self._before(writer, call)
            try:
                return write(writer, step, call, **more)
            finally:
                if chosen and self._spec.fault is Fault.KILL_JOURNALLED:
                    self._die("after its result was journalled")
                self._here.writing, self._here.chosen = None, False

        def noting_answer(endpoint: object, request: object, model: object, context: object) -> object:
            self._here.operation, self._here.service = model.name, model.service_model.service_name
            return answer(endpoint, request, model, context)

        def faulty_send(session: object, request: object) -> AWSResponse:
            return self._send(request, lambda sent: send(session, sent))

        Writer.write = noting_write
        botocore.endpoint.Endpoint._do_get_response = noting_answer
        botocore.httpsession.URLLib3Session.send = faulty_send
        # pauses before a call is repeated prove nothing here
        Governor.pause = lambda _governor, seconds: time.sleep(min(max(seconds, 0.0), 0.01))

    def _reached(self, step: str, call: Call) -> bool:
        """Whether this write is the chosen one; a fault that lasts also takes those of its kind that come later."""
        spec = self._spec
        if (step.partition(" ")[0], call.operation) != (spec.kind, spec.operation):
            return False
        with self._guard:
            self._seen += 1
            lasts = spec.fault in {Fault.DENIED, Fault.THROTTLED_ALWAYS, Fault.SERVER_ERROR}
            return self._seen == spec.number or (lasts and self._seen > spec.number)

    def _send(self, request: object, send: Send) -> AWSResponse:
        here = self._here
        if "neighbour" in str(request.headers.get("User-Agent")):
            return send(request)
        writing = getattr(here, "writing", None)
        at_it = bool(getattr(here, "chosen", False)) and writing is not None and here.operation == writing.operation
        fault = self._spec.fault
        refused = self._expired(request)
        if refused is not None:
            return refused
        if not at_it:
            return self._told(request, send(request))
        with self._guard:
            self._attempts += 1
            attempt = self._attempts
        return self._happens(fault, attempt, request, send)

    def _happens(  # noqa: C901, PLR0911, PLR0912  one branch for each kind of fault
        self, fault: Fault, attempt: int, request: object, send: Send
    ) -> AWSResponse:
        call: Call = self._here.writing
        match fault:
            case Fault.KILL_BEFORE:
                self._die("before it was sent")
            case Fault.KILL_AFTER:
                send(request)
                self._die("after it worked")
            case Fault.DENIED:
                return self._refusal(request, "AccessDenied", "not authorized to perform this action", 403)
            case Fault.THROTTLED_ALWAYS:
                return self._throttled(request)
            case Fault.THROTTLED if attempt <= 2:
                return self._throttled(request)
            case Fault.CONFLICT if attempt == 1:
                return self._refusal(request, _CONFLICTS[call.service], "A conflicting operation is in progress.", 409)
            case Fault.SERVER_ERROR:
                return self._refusal(request, "InternalError", "We encountered an internal error.", 500)
            case Fault.MALFORMED:
                send(request)
                self._note("answered what nobody can parse")
                return _response(request, Answer(200).with_text("<html><body><h1>It works!</h1>"))
            case Fault.TIMEOUT if attempt == 1:
                send(request)
                self._note("worked and was not answered")
                raise ReadTimeoutError(endpoint_url=request.url)
            case Fault.LIES:
                return self._lies(request)
            case Fault.ROLLS_BACK | Fault.ROLLBACK_FAILS:
                return self._fails(request, send, for_good=fault is Fault.ROLLBACK_FAILS)
            case Fault.OTHERS_IN_GAP:
                neighbours.add_rule(str(call.parameters["Bucket"]), "in-the-gap")
                self._note("another writer was faster")
            case Fault.OTHERS_AFTER:
                return self._undone(request, send)
            case Fault.SIGINT | Fault.SIGINT_TWICE | Fault.SIGTERM:
                self._interrupt(fault)
        return send(request)

    def _die(self, when: str) -> None:
        self._note(f"killed {when}")
        os.kill(os.getpid(), signal.SIGKILL)

    def _before(self, writer: Writer, call: Call) -> None:
        """What happens before the chosen write is made up and signed."""
        match self._spec.fault:
            case Fault.OTHERS_BEFORE_READ:
                neighbours.add_rule(BUCKET, "before-our-read")
                self._note("another writer was there since the plan was made")
            case Fault.GATE:
                self._lied.add(str(call.parameters["StackName"]))
            case Fault.EXPIRED_REFRESHED | Fault.EXPIRED_UNSEEN | Fault.EXPIRED_FOR_GOOD as fault:
                credentials = writer.aws.credentials
                self._dead.add(credentials.get_frozen_credentials().access_key)
                if fault is not Fault.EXPIRED_UNSEEN:  # the clock says so too: new ones are fetched
                    credentials._expiry_time = datetime.now(UTC) - timedelta(hours=1)
                self._note("the session has expired")

    def _expired(self, request: object) -> AWSResponse | None:
        """What AWS says to a session that has expired, or to whoever wants a new one without good credentials."""
        if self._dead and self._spec.fault is Fault.EXPIRED_FOR_GOOD and self._here.operation == "AssumeRole":
            return self._refusal(request, "ExpiredToken", "The security token included in the request is expired", 403)
        if _key_of(request) in self._dead:
            return self._refusal(request, "ExpiredToken", "The provided token has expired.", 400)
        return None

    def _lies(self, request: object) -> AWSResponse:
        """CloudFormation says that it did, and did not."""
        call: Call = self._here.writing
        stack = str(call.parameters["StackName"])
        neighbours.delete_change_set(stack, str(call.parameters["ChangeSetName"]), self._region, self._account)
        self._lied.add(stack)
        self._note("nothing was executed")
        body = "<ExecuteChangeSetResponse><ExecuteChangeSetResult/></ExecuteChangeSetResponse>"
        return _response(request, Answer(200, XML).with_text(body))

    def _told(self, request: object, response: AWSResponse) -> AWSResponse:
        """The answer to a question about a stack that is lied about."""
        fault, operation = self._spec.fault, self._here.operation
        if fault is Fault.SLOW_STACK and operation == "DescribeStacks":
            return self._slow(request, response)
        body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
        if not any(f"StackName={stack}&" in f"{body}&" for stack in self._lied):
            return response
        text = response.content.decode()
        if fault is Fault.LIES and operation == "DescribeStacks":
            text = re.sub("<StackStatus>[A-Z_]+<", "<StackStatus>UPDATE_COMPLETE<", text)
        elif fault is Fault.GATE and operation == "DescribeChangeSet" and "<Replacement>" in text:
            text = re.sub("<Replacement>[A-Za-z]+<", "<Replacement>True<", text)
            self._note("the change set wants to replace")
        else:
            return response
        return _response(request, Answer(response.status_code, XML).with_text(text))

    def _slow(self, request: object, response: AWSResponse) -> AWSResponse:
        """A stack goes on for as long as it takes somebody to ask for it by its name a few times."""
        by_name = f"StackName={SLOW}" in str(request.body)
        with self._guard:
            self._asked += by_name
            over = self._asked > _TIMES
        text, count = re.subn(
            f"(<StackName>{SLOW}</StackName>.*?<StackStatus>)[A-Z_]+<", r"\g<1>UPDATE_IN_PROGRESS<",
            response.content.decode(), count=1, flags=re.DOTALL,
        )  # fmt: skip
        if over or not count:
            return response
        if by_name:
            self._note("asked for, and still at it")
        return _response(request, Answer(response.status_code, XML).with_text(text))

    def _fails(self, request: object, send: Send, *, for_good: bool) -> AWSResponse:
        """The update cannot find its package; with `for_good` neither can the way back."""
        region = self._region
        neighbours.lose_object(artifact_bucket(ACCOUNT, region), PACKAGE, region)
        if for_good:
            neighbours.lose_object(legacy_bucket(ACCOUNT, region), LEGACY_KEY, region)
        self._note("the package was lost")
        return send(request)

    def _undone(self, request: object, send: Send) -> AWSResponse:
        bucket = str(self._here.writing.parameters["Bucket"])
        old = neighbours.document_of(bucket)
        response = send(request)
        neighbours.add_rule(bucket, "from-an-old-copy", old)
        self._note("another writer was there right after")
        return response

    def _interrupt(self, fault: Fault) -> None:
        self._note("signalled")
        os.kill(os.getpid(), signal.SIGTERM if fault is Fault.SIGTERM else signal.SIGINT)
        if fault is Fault.SIGINT_TWICE:
            time.sleep(0.3)  # the first is being dealt with in the main thread, and this call stays in flight
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)  # it must not be waited for

    def _throttled(self, request: object) -> AWSResponse:
        code = "SlowDown" if self._here.service == "s3" else "Throttling"
        return self._refusal(request, code, "Rate exceeded", 503 if code == "SlowDown" else 400)

    def _refusal(self, request: object, code: str, text: str, status: int) -> AWSResponse:
        self._note(f"answered {code}")
        words = {"s3": s3_error, "cloudformation": query_error, "sts": query_error}.get(self._here.service, json_error)
        return _response(request, words(code, text, status))

    def _note(self, what: str) -> None:
        with Path(self._spec.mark).open("a", encoding="utf-8") as stream:
            stream.write(f"{self._spec.kind} {self._spec.operation}: {what}\n")
            stream.flush()
            os.fsync(stream.fileno())


def _key_of(request: object) -> str:
    """Whose request it is, by its signature."""
    found = re.search(r"Credential=([^/]+)/", str(request.headers.get("Authorization", "")))
    return found[1] if found else ""


def _response(request: object, answer: Answer) -> AWSResponse:
    headers = {name.decode(): text.decode() for name, text in answer.headers}
    raw = HTTPResponse(body=BytesIO(answer.body), headers=headers, status=answer.status, preload_content=False)
    return AWSResponse(request.url, answer.status, headers, raw)


def main() -> int:
    # a minute of trying again is as good as ten seconds here
    Limits.__init__.__defaults__ = tuple(min(seconds, _PATIENCE) for seconds in Limits.__init__.__defaults__)
    for text in json.loads(sys.argv[1]):
        Chaos(Spec.parse(text)).install()
    from reports.command import main as command  # noqa: PLC0415  the suite's own entry, as the console script calls it

    return command(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
