"""May the function decrypt what it has to read?"""

from checks.outcome import Severity, expect, known, unknown
from checks.registry import check
from fixtures.estate import Estate, Forwarder

_BUCKET_KEY = "NotificationBucketCustomerManagedKMSarn"
_ENVIRONMENT_KEY = "LambdaEnvKMSarn"
_STEP = "3: the key policy needs Enable IAM User Permissions, or the function's role"


def _names_a_key(forwarder: Forwarder, _estate: Estate) -> bool:
    return any(forwarder.stack.parameters.get(name) for name in (_BUCKET_KEY, _ENVIRONMENT_KEY))


@check("keys-decrypt", severity=Severity.CRITICAL, step=_STEP, facts=["keys", "listed"], applies=_names_a_key)
def test_named_keys_let_the_function_decrypt(forwarder: Forwarder, estate: Estate) -> None:
    """Each key in the stack's parameters lets the function decrypt.

    An IAM policy on a key counts only if the key's policy hands the decision to IAM (the statement "Enable IAM User
    Permissions"); else it has to name the function's role.
    """
    function = known(forwarder.listed, expected="a function")
    for name in (_BUCKET_KEY, _ENVIRONMENT_KEY):
        key = forwarder.stack.parameters.get(name)
        if not key:
            continue
        if key not in estate.keys:
            unknown(f"key {key} was not read")
        policy = known(estate.keys[key], expected=f"the key that {name} names")
        named = function.role in policy.principals or "*" in policy.principals
        if not policy.delegates and not named and policy.conditional:
            unknown(f"the policy of {key} has conditions: statement {', '.join(policy.conditional)}")
        expect(
            policy.delegates or named,
            expected=f"a key policy that lets {function.role or 'the role'} decrypt with {key}",
            found="it neither delegates to IAM nor names the role",
            remedy="add the statement Enable IAM User Permissions to the key policy, or the role as a principal",
        )


@check(
    "keys-named",
    severity=Severity.HIGH,
    step="3: set NotificationBucketCustomerManagedKMSarn when a customer key encrypts the bucket",
    facts=["encryption"],
    applies=lambda forwarder, _estate: forwarder.bucket_name is not None,
)
def test_a_customer_key_of_the_bucket_is_named(forwarder: Forwarder, estate: Estate) -> None:
    """If a customer managed key encrypts the bucket, the stack names it, so that the role may decrypt."""
    bucket = estate.bucket_of(forwarder)
    if bucket is None:
        unknown("its bucket was not read")
    encryption = known(bucket.encryption, expected=f"bucket {bucket.name}")
    customer = encryption.algorithm.startswith("aws:kms") and bool(encryption.key)
    managed = bool(encryption.key) and str(encryption.key).endswith("alias/aws/s3")
    expect(
        not customer or managed or bool(forwarder.stack.parameters.get(_BUCKET_KEY)),
        expected=f"{_BUCKET_KEY} to name the bucket's key",
        found=f"it is empty, and the bucket is encrypted with {encryption.key}",
        remedy="set bucket_key for this forwarder in the settings, then run --fix",
    )
