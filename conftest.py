"""Wires the plugins in; nothing else."""

pytest_plugins = ("fixtures.plugin", "checks.plugin", "remediation.plugin", "reports.plugin")
