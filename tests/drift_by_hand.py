"""Somebody's deed between two nights, in a process and with clients of its own: knows nothing of the suite.

    drift_by_hand.py ENDPOINT ACCOUNT REGION

Sets a forwarder's concurrency to 0 and takes the notification rules off another one's bucket.
"""

import sys

import boto3  # noqa: TID251 - it is nobody of the suite


def main(endpoint: str, account: str, region: str) -> None:
    session = boto3.Session(account, "secret", region_name=region)
    functions = session.client("lambda", endpoint_url=endpoint)
    names = [one["FunctionName"] for one in functions.list_functions()["Functions"]]
    (name,) = [name for name in names if name.startswith("umbrella-dns-")]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    buckets = session.client("s3", endpoint_url=endpoint)
    bucket = f"cloudtrail-prod-{account}-{region}"
    buckets.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})


if __name__ == "__main__":
    main(*sys.argv[1:])
