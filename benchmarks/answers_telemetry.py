"""What the emulated CloudWatch and CloudWatch Logs answer: what each forwarder's last day left behind."""

import json
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import cast

from benchmarks.estate import Target, Traffic
from benchmarks.reply import Reply, of_json, refused
from benchmarks.request import Request

_DAY = 86_400
_EVENTS = 10_000  # FilterLogEvents, and no more than a megabyte
_MEGABYTE = 1 << 20
_UPLOAD = '{"level":"debug","time":"2026-11-23T19:27:19Z","message":"Uploading data to s3"}'
_ERROR = '{"level":"error","time":"2026-11-23T19:27:19Z","message":"refused by the ingest endpoint"}'

Event = dict[str, object]
_BEGAN = int(time.time())  # the day that ends when the emulated cloud starts, so that answers can be kept


def answer(request: Request, target: Target, traffic: Traffic) -> Reply | None:
    """The answer, None for an operation that nobody should need."""
    match request.operation:
        case "FilterLogEvents":
            return _events(request, target, traffic)
        case "GetMetricData":
            return _metrics(request, target, traffic)
        case "DescribeLogGroups":
            wanted = str(request.json.get("logGroupNamePrefix", ""))
            groups = [f"/aws/lambda/{forwarder.function}" for forwarder in target.forwarders]
            return of_json({"logGroups": [{"logGroupName": name} for name in groups if name.startswith(wanted)]})
    return None


def _events(request: Request, target: Target, traffic: Traffic) -> Reply:
    asked = request.json
    name = str(asked["logGroupName"]).removeprefix("/aws/lambda/")
    forwarder = next((found for found in target.forwarders if found.function == name), None)
    if forwarder is None:
        return refused("logs", "ResourceNotFoundException", "The specified log group does not exist.", 400)
    begin = int(str(asked.get("nextToken", "0")))
    limit = min(int(str(asked.get("limit", _EVENTS))), _EVENTS)
    pattern = str(asked.get("filterPattern", ""))
    return _page(traffic, forwarder.is_failing, pattern, int(str(asked.get("startTime", 0))) // 1000, begin, limit)


@cache
def _page(traffic: Traffic, failing: bool, pattern: str, since: int, begin: int, limit: int) -> Reply:  # noqa: PLR0913, PLR0917  the key of what is kept
    needle = pattern.strip('"')
    day = _day(traffic, failing=failing)
    events = [
        event for event in day
        if int(str(event["timestamp"])) >= since * 1000 and needle in str(event["message"])
    ]  # fmt: skip
    chosen = events[begin : begin + limit]
    while len(json.dumps(chosen)) > _MEGABYTE:
        chosen = chosen[: len(chosen) // 2]
    more = {"nextToken": str(begin + len(chosen))} if begin + len(chosen) < len(events) else {}
    return of_json({"events": chosen, "searchedLogStreams": [], **more})


@cache
def _day(traffic: Traffic, *, failing: bool) -> Sequence[Event]:
    events: list[Event] = []
    for number in range(traffic.requests):
        # the last call a minute ago, the others evenly before it
        began = (_BEGAN - 60) * 1000 - (traffic.requests - 1 - number) * (_DAY * 1000 // traffic.requests)
        who = f"RequestId: 00000000-0000-0000-0000-{number:012d}"
        said = _ERROR if failing else _UPLOAD
        texts = (
            f"START {who} Version: $LATEST\n",
            f"{said}\n",
            f"END {who}\n",
            f"REPORT {who}\tDuration: 812.3 ms\tBilled Duration: 813 ms\tMemory Size: 128 MB\tMax Memory Used: 61 MB\n",
        )
        events += [
            {
                "logStreamName": "2026/11/23/[$LATEST]0123456789abcdef", "timestamp": began + order, "message": text,
                "ingestionTime": began + order + 1000, "eventId": f"{began + order:056d}",
            }
            for order, text in enumerate(texts)
        ]  # fmt: skip
    return events


def _metrics(request: Request, target: Target, traffic: Traffic) -> Reply:
    failing = {forwarder.function for forwarder in target.forwarders if forwarder.is_failing}
    parts = []
    for query in cast("Sequence[Mapping[str, object]]", request.json["MetricDataQueries"]):
        stat = cast("Mapping[str, object]", query["MetricStat"])
        metric = cast("Mapping[str, object]", stat["Metric"])
        dimensions = cast("Sequence[Mapping[str, str]]", metric["Dimensions"])
        name = str(metric["MetricName"])
        period = int(str(stat["Period"]))
        fails = dimensions[0]["Value"] in failing
        parts.append(f'{{"Id": "{query["Id"]}", {_points(traffic, name, period, fails)}}}')
    body = f'{{"MetricDataResults": [{", ".join(parts)}], "Messages": []}}'
    return Reply(200, "application/x-amz-json-1.0", body.encode())


@cache
def _points(traffic: Traffic, metric: str, period: int, failing: bool) -> str:
    label = f'"Label": "{metric}", "StatusCode": "Complete"'
    if metric == "AsyncEventsDropped":
        return f'{label}, "Timestamps": [], "Values": []'
    each = 1.0 if metric == "Invocations" or (metric == "Errors" and failing) else 0.0
    sums: dict[int, float] = {}
    for number in range(traffic.datapoints):
        at = _BEGAN - 60 - number * (_DAY // traffic.datapoints)
        sums[at - at % period] = sums.get(at - at % period, 0.0) + each
    return f'{label}, "Timestamps": {json.dumps(list(sums))}, "Values": {json.dumps(list(sums.values()))}'
