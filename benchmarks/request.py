"""One request to the emulated cloud: who asks, where, for what; told from the signature's scope and the operation."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qs, parse_qsl, unquote

from benchmarks.estate import HOME

_SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/")
_ASSUMED = re.compile(r"ASIA([0-9]{12})[A-Z]*")
# S3's sub-resources, as they stand in the query of a bucket's GET
_OF_BUCKET = {
    "notification": "GetBucketNotificationConfiguration", "encryption": "GetBucketEncryption",
    "publicAccessBlock": "GetPublicAccessBlock", "policyStatus": "GetBucketPolicyStatus", "policy": "GetBucketPolicy",
    "location": "GetBucketLocation", "tagging": "GetBucketTagging", "acl": "GetBucketAcl",
    "replication": "GetBucketReplication", "versioning": "GetBucketVersioning", "website": "GetBucketWebsite",
    "logging": "GetBucketLogging", "lifecycle": "GetBucketLifecycleConfiguration",
}  # fmt: skip
_OF_FUNCTION = {
    "": "GetFunction", "configuration": "GetFunctionConfiguration", "policy": "GetPolicy",
    "event-invoke-config": "GetFunctionEventInvokeConfig",
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One HTTP request, headers in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def scope(self) -> tuple[str, str, str]:
        """Access key, region and service out of the signature; empty where it is not signed."""
        found = _SCOPE.search(self.headers.get("authorization", ""))
        return (found[1], found[2], found[3]) if found else ("", "", "")

    @property
    def account(self) -> str:
        """The account that the credentials are of: a role's name it in the key."""
        assumed = _ASSUMED.fullmatch(self.scope[0])
        return assumed[1] if assumed else HOME

    @property
    def region(self) -> str:
        return self.scope[1]

    @property
    def service(self) -> str:
        return self.scope[2]

    @cached_property
    def path(self) -> str:
        return unquote(self.url.partition("?")[0])

    @cached_property
    def query(self) -> Mapping[str, str]:
        return dict(parse_qsl(self.url.partition("?")[2], keep_blank_values=True))

    @cached_property
    def form(self) -> Mapping[str, str]:
        """The parameters of the query protocol."""
        return {name: found[0] for name, found in parse_qs(self.body.decode()).items()}

    @cached_property
    def json(self) -> Mapping[str, object]:
        """The parameters of the JSON protocols."""
        found = json.loads(self.body or b"{}")
        return found if isinstance(found, dict) else {}

    @cached_property
    def operation(self) -> str:
        """The API operation's name."""
        target = self.headers.get("x-amz-target")
        if target:
            return target.rpartition(".")[2]
        if self.service == "s3":
            return self._of_s3()
        if self.service == "lambda":
            parts = self.path.strip("/").split("/")  # 2015-03-31/functions/NAME/policy
            return "ListFunctions" if len(parts) == 2 else _OF_FUNCTION.get("/".join(parts[3:]), self.url)
        if self.service == "account":
            return self.path[1:2].upper() + self.path[2:]  # /listRegions
        return self.form.get("Action", f"{self.method} {self.path}")

    @property
    def names(self) -> tuple[str, str]:
        """Bucket and key of an S3 request."""
        bucket, _, key = self.path.strip("/").partition("/")
        return bucket, key

    def _of_s3(self) -> str:
        bucket, key = self.names
        if not bucket:
            return "ListBuckets"
        if key:
            return "HeadObject" if self.method == "HEAD" else "GetObject"
        if self.method == "HEAD":
            return "HeadBucket"
        return next((_OF_BUCKET[name] for name in self.query if name in _OF_BUCKET), f"{self.method} {self.url}")
