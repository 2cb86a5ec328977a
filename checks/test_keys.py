"""May the function decrypt what it has to read?"""

from collections.abc import Callable

from checks.outcome import Severity, expect, known, unknown
from checks.registry import check
from checks.wiring import has_s3_trigger
from fixtures.estate import Estate, Forwarder, Function, KeyPolicy
from fixtures.fact import Absent, Unreadable

_BUCKET_KEY = "NotificationBucketCustomerManagedKMSarn"
_ENVIRONMENT_KEY = "LambdaEnvKMSarn"
_STEP = "3: the key policy needs Enable IAM User Permissions, or the function's role"


def _names_a_key(forwarder: Forwarder, _estate: Estate) -> bool:
    return any(forwarder.stack.parameters.get(name) for name in (_BUCKET_KEY, _ENVIRONMENT_KEY))


@check("keys-decrypt", severity=Severity.CRITICAL, step=_STEP, facts=["keys", "listed"], applies=_names_a_key)
def test_named_keys_let_the_function_decrypt(forwarder: Forwarder, estate: Estate) -> None:
    """Each key in the stack's parameters lets the function decrypt.

    An IAM policy on a key counts only if the key's policy hands the decision to IAM (the statement "Enable IAM User
    Permissions"); else it has to name the function's role. A key of another account has to name the role, or hand the
    decision to the IAM of the function's account.
    """
    function = known(forwarder.listed, expected="a function")
    unclear: list[str] = []
    for name in (_BUCKET_KEY, _ENVIRONMENT_KEY):
        key = forwarder.stack.parameters.get(name)
        if not key:
            continue
        policy = estate.keys.get(key)
        if policy is None:
            unclear.append(f"key {key} was not read")
        elif isinstance(policy, Unreadable):
            unclear.append(f"key {key}: {policy}")
        elif isinstance(policy, Absent) and not _is_key_of(forwarder, key):
            unclear.append(f"{key} is an alias or of another account: its key's policy is not shown here")
        else:
            found = known(policy, expected=f"the key that {name} names")
            unclear += _judged(found, function, forwarder.target.account)
    if unclear:
        unknown("; ".join(unclear))


def _judged(policy: KeyPolicy, function: Function, account: str) -> list[str]:
    """Why it cannot be told whether the function may decrypt; a finding where it may not."""
    if not function.role:
        return ["Lambda does not say which role the function has"]
    if policy.denying:
        return [f"the policy of {policy.key} denies decryption to somebody: statement {', '.join(policy.denying)}"]
    own = policy.account in {account, ""}
    partition = function.role.split(":")[1]
    names = {function.role, "*"} | (set() if own else {account, f"arn:{partition}:iam::{account}:root"})
    allowed = (own and policy.delegates) or bool(names & {*policy.principals})
    if not allowed and policy.conditional:
        return [f"the policy of {policy.key} has conditions: statement {', '.join(policy.conditional)}"]
    whose = "" if own else f" of account {policy.account}"
    expect(
        allowed,
        expected=f"a key policy that lets {function.role} decrypt with {policy.key}",
        found=f"the policy{whose} neither leaves it to the IAM of {account} nor names the role",
        remedy="add the statement Enable IAM User Permissions to the key policy, or the role as a principal",
    )
    return []


def _is_key_of(forwarder: Forwarder, key: str) -> bool:
    """Whether it is a key, not an alias, of the forwarder's account: then AWS's "not found" can be believed."""
    pieces = key.split(":")
    return len(pieces) > 5 and pieces[4] == forwarder.target.account and pieces[5].startswith("key/")


@check(
    "keys-named",
    severity=Severity.HIGH,
    step="3: set NotificationBucketCustomerManagedKMSarn when a customer key encrypts the bucket",
    facts=["encryption", "policy"],
    applies=has_s3_trigger,
)
def test_a_customer_key_of_the_bucket_is_named(
    forwarder: Forwarder, estate: Estate, advise: Callable[[str], None]
) -> None:
    """If a customer managed key encrypts the bucket, the stack names it, so that the role may decrypt.

    Another key than the bucket's is noted and no finding: who writes the objects may choose the key.
    """
    bucket = estate.bucket_of(forwarder) or unknown("its bucket was not read")
    encryption = known(bucket.encryption, expected=f"bucket {bucket.name}")
    key = encryption.key
    if not key or not encryption.algorithm.startswith("aws:kms") or key.endswith("alias/aws/s3"):
        return
    named = forwarder.stack.parameters.get(_BUCKET_KEY)
    expect(
        bool(named),
        expected=f"{_BUCKET_KEY} to name the bucket's key",
        found=f"it is empty, and the bucket is encrypted with {key}",
        remedy="set bucket_key for this forwarder in the settings, then run --fix",
    )
    if named != key and not str(named).endswith(f":key/{key}"):
        advise(f"the bucket is encrypted with {key} by default, and {_BUCKET_KEY} names {named}")
