"""What delivering needs of IAM: the role for it is made from this, and its sessions are held to it."""

from typing import Final

from remediation.policy import Need

DELIVERY_NEEDS: Final = (
    Need("topic", ("sns:Publish",), "topic"),
    # SNS encrypts with a topic's key in the publisher's name (SNS Developer Guide, "Key management").
    Need("topic", ("kms:Decrypt", "kms:GenerateDataKey"), "encrypted-topic"),
    Need(
        "security_hub",
        ("securityhub:BatchImportFindings", "securityhub:BatchUpdateFindings", "securityhub:GetFindings"),
        "security-hub",
    ),
)
ACTIONS: Final = tuple(action for need in DELIVERY_NEEDS for action in need.actions)
