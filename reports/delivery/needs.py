"""What delivering needs of IAM: the role for it is made from this, and its sessions are held to it."""

from typing import Final

NOTIFY: Final = ("sns:Publish",)
# SNS encrypts with a topic's key in the publisher's name (SNS Developer Guide, "Key management").
NOTIFY_ENCRYPTED: Final = ("kms:Decrypt", "kms:GenerateDataKey")
SECURITY_HUB: Final = ("securityhub:BatchImportFindings", "securityhub:BatchUpdateFindings", "securityhub:GetFindings")
ACTIONS: Final = (*NOTIFY, *NOTIFY_ENCRYPTED, *SECURITY_HUB)
