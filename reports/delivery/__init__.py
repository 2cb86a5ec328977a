"""Delivers what a run found: to people (SNS, webhooks) and to Security Hub, with a role of its own."""
