"""Which log lines prove that logs flow, which speak against it, and which say nothing."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from fixtures.estate import LogFlow
from fixtures.log_lines import LogLine, flow_of

SINCE = datetime(2026, 11, 23, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=1)
START = "START RequestId: 8f5 Version: $LATEST\n"
END = "END RequestId: 8f5\n"
REPORT = (
    "REPORT RequestId: 8f5\tDuration: 12.5 ms\tBilled Duration: 13 ms\tMemory Size: 512 MB\tMax Memory Used: 40 MB\t\n"
)
UPLOAD = '{"level":"debug","time":"2023-11-15T19:27:19Z","message":"Uploading data to s3"}'
ERROR = '{"level":"error","time":"2023-11-15T19:27:19Z","message":"cannot read secret"}'
INIT = "INIT_START Runtime Version: provided:al2.v50\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:7b2c\n"
CRASH = "Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
NO_ENTRY = '{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: 8f5 Error: fork/exec"}'
PLATFORM_START = '{"time":"2026-11-23T12:00:00.000Z","type":"platform.start","record":{"requestId":"8f5"}}'


def platform_report(**record: object) -> str:
    return json.dumps({"time": "2026-11-23T12:00:01.000Z", "type": "platform.report",
                       "record": {"requestId": "8f5", "metrics": {"durationMs": 12.5}, **record}})  # fmt: skip


def flow(messages: Iterable[str], stream: str = "s") -> LogFlow:
    lines = [LogLine(stream, number, message) for number, message in enumerate(messages)]
    return flow_of("/aws/lambda/f", SINCE, UNTIL, lines, complete=True)


# messages, requests, uploads, proved, number of errors
TABLE = {
    "nothing-logged": ([], 0, 0, 0, 0),
    "an-upload-as-it-should-be": ([START, UPLOAD, END, REPORT], 1, 1, 1, 0),
    "several-uploads-in-one-request": ([START, UPLOAD, UPLOAD, END, REPORT], 1, 2, 1, 0),
    "two-requests": ([START, UPLOAD, END, REPORT, START, UPLOAD, END, REPORT], 2, 2, 2, 0),
    "a-cold-start-is-no-request": ([INIT, START, UPLOAD, END, REPORT], 1, 1, 1, 0),
    "only-a-cold-start": ([INIT], 0, 0, 0, 0),
    "what-the-program-says-before-its-first-request": (['{"level":"info","message":"ready"}', START, END, REPORT],
                                                       1, 0, 0, 0),
    "a-request-without-an-upload": ([START, END, REPORT], 1, 0, 0, 0),
    "an-upload-after-an-error": ([START, ERROR, UPLOAD, END, REPORT], 1, 1, 0, 1),
    "an-error-after-an-upload": ([START, UPLOAD, ERROR, END, REPORT], 1, 1, 0, 1),
    "an-error-that-speaks-of-the-upload": (
        [START, '{"level":"error","message":"Uploading data to s3"}', END, REPORT], 1, 0, 0, 1),
    "a-failed-upload-is-none": (
        [START, '{"level":"warn","message":"Uploading data to s3 failed, will retry"}', END, REPORT], 1, 0, 0, 0),
    "another-line-that-quotes-it": (
        [START, '{"level":"debug","message":"next","hint":"Uploading data to s3"}', END, REPORT], 1, 0, 0, 0),
    "not-reported-yet": ([START, UPLOAD], 1, 1, 0, 0),
    "timed-out": ([START, UPLOAD, "2026-11-23T12:05:00Z 8f5 Task timed out after 300.00 seconds", END, REPORT],
                  1, 1, 0, 1),
    "reported-as-timed-out": ([START, UPLOAD, END, REPORT.rstrip() + "\tStatus: timeout"], 1, 1, 0, 1),
    "reported-as-failed": ([START, UPLOAD, END, REPORT.rstrip() + "\tStatus: error\tError Type: Runtime.ExitError"],
                           1, 1, 0, 1),
    "a-crash-before-any-start": ([CRASH], 1, 0, 0, 1),
    "a-crash-in-the-cold-start": (
        [INIT, CRASH, "INIT_REPORT Init Duration: 3.11 ms\tPhase: init\tStatus: error\tError Type: Runtime.InvalidEnt",
         START, NO_ENTRY, END, REPORT.rstrip() + "\tStatus: error\tError Type: Runtime.InvalidEntrypoint"],
        2, 0, 0, 2),
    "a-request-after-a-crash-may-prove": ([CRASH, START, UPLOAD, END, REPORT], 2, 1, 1, 1),
    "another-architecture": ([START, "fork/exec /var/task/bootstrap: exec format error", END, REPORT], 1, 0, 0, 1),
    "a-panic": ([START, UPLOAD, "panic: runtime error: index out of range", END, REPORT], 1, 1, 0, 1),
    "begun-before-the-window": ([UPLOAD, END, REPORT], 1, 1, 1, 0),
    "ended-after-the-window-began": ([END, REPORT, START, UPLOAD, END, REPORT], 2, 1, 1, 0),
    "begun-twice": ([START, UPLOAD, START, END, REPORT], 2, 1, 0, 0),
    "text-lines": ([START, "2023/11/15 19:27:19 DEBUG Uploading data to s3\n", END, REPORT], 1, 1, 1, 0),
    "text-error": ([START, 'level=error msg="denied"', UPLOAD, END, REPORT], 1, 1, 0, 1),
    "a-line-inside-a-lambda-record": (
        [START, json.dumps({"timestamp": "t", "level": "DEBUG", "message": UPLOAD}), END, REPORT], 1, 1, 1, 0),
    "a-structure-inside-a-lambda-record": (
        [START, json.dumps({"timestamp": "t", "message": json.loads(UPLOAD)}), END, REPORT], 1, 1, 1, 0),
    "extensions-say-nothing": (
        [INIT, "EXTENSION\tName: insights\tState: Ready\tEvents: [INVOKE]", "LOGS\tName: x",
         START, UPLOAD, END, REPORT],
        1, 1, 1, 0),
    "json-format": ([PLATFORM_START, UPLOAD, platform_report(status="success")], 1, 1, 1, 0),
    "json-format-failed": ([PLATFORM_START, UPLOAD, platform_report(status="error")], 1, 1, 0, 1),
    "json-format-timed-out": ([PLATFORM_START, UPLOAD, platform_report(status="timeout")], 1, 1, 0, 1),
    "json-format-without-a-status": ([PLATFORM_START, UPLOAD, platform_report()], 1, 1, 0, 1),
    "json-format-runtime-failed": (
        [PLATFORM_START, UPLOAD, '{"type":"platform.runtimeDone","record":{"status":"failure"}}',
         platform_report(status="success")], 1, 1, 0, 1),
    "json-format-cold-start": (
        ['{"type":"platform.initStart","record":{"phase":"init"}}', PLATFORM_START, UPLOAD,
         '{"type":"platform.runtimeDone","record":{"status":"success"}}', platform_report(status="success")],
        1, 1, 1, 0),
    "a-line-that-only-mentions-the-platform": (
        [START, '{"message":"saw \\"platform.report\\"', UPLOAD, END, REPORT], 1, 1, 1, 0),
    "lists-and-numbers": ([START, "[1, 2]", "17", "null", UPLOAD, END, REPORT], 1, 1, 1, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_lines_are_judged(name: str) -> None:
    messages, *expected = TABLE[name]
    found = flow(messages)
    assert [found.requests, found.uploads, found.proved, len(found.errors)] == expected


REQUESTS = {
    "text": ([START, UPLOAD, END, REPORT], "8f5"),
    "json": ([PLATFORM_START, UPLOAD, platform_report(status="success")], "8f5"),
    "the-last-of-two": ([START, UPLOAD, END, REPORT, START, UPLOAD, END, REPORT.replace("8f5", "9a1")], "9a1"),
    "the-one-that-went-well": ([START, UPLOAD, END, REPORT, START, ERROR, UPLOAD, END, REPORT.replace("8f5", "9a1")],
                               "8f5"),
    "a-report-without-an-id": ([START, UPLOAD, "REPORT RequestId:"], ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_the_request_that_proves_it_is_named_with_its_line(name: str) -> None:
    messages, request = REQUESTS[name]
    found = flow(messages)
    assert (found.last_request, found.last_line) == (request, UPLOAD)


def test_what_proves_nothing_names_no_request() -> None:
    found = flow([START, UPLOAD, ERROR, END, REPORT])
    assert (found.last_request, found.last_line) == ("", "")


def test_streams_that_interleave_are_kept_apart() -> None:
    lines = [
        LogLine("one", 1, START),
        LogLine("two", 2, START),
        LogLine("one", 3, UPLOAD),
        LogLine("two", 4, ERROR),
        LogLine("two", 5, REPORT),
        LogLine("one", 6, REPORT),
    ]
    found = flow_of("g", SINCE, UNTIL, lines, complete=True)
    assert (found.requests, found.uploads, found.proved) == (2, 1, 1)
    assert found.last_proved == datetime.fromtimestamp(0.006, UTC)


def test_an_upload_in_one_stream_is_not_proved_by_the_report_of_another() -> None:
    lines = [LogLine("one", 1, START), LogLine("one", 2, UPLOAD), LogLine("two", 3, REPORT)]
    assert flow_of("g", SINCE, UNTIL, lines, complete=True).proved == 0


def test_the_last_proof_is_the_latest_report_whatever_the_order_of_streams() -> None:
    lines = [LogLine(stream, time, text) for stream, begin in (("late", 9000), ("early", 1000))
             for time, text in enumerate((START, UPLOAD, REPORT), begin)]  # fmt: skip
    assert flow_of("g", SINCE, UNTIL, lines, complete=True).last_proved == datetime.fromtimestamp(9.002, UTC)


def test_the_last_three_errors_are_kept_each_on_one_short_line() -> None:
    found = flow([START, *(f'{{"level":"error","message":"number {n}\\n{"x" * 300}"}}' for n in range(5)), REPORT])
    assert [error[28:36] for error in found.errors] == ["number 2", "number 3", "number 4"]
    assert all(len(error) == 200 and error.endswith("…") and "\n" not in error for error in found.errors)


def test_window_group_and_completeness_are_told_as_given() -> None:
    found = flow_of("/g", SINCE, UNTIL, [], complete=False)
    assert (found.group, found.since, found.until, found.complete) == ("/g", SINCE, UNTIL, False)
