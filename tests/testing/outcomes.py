"""What tests ask of the results of checks."""

from pnetkit.testing import run_checks


def one(checks, name):
    """Give the check of a name."""
    (check,) = [check for check in checks if check.name == name]
    return check


def failing(checks):
    """Give the reasons of the checks that fail, by their names."""
    return {result.name: result.reason for result in run_checks(checks) if result.outcome == "failed"}


def outcomes(checks):
    """Give outcome and reason by the names of checks."""
    return {result.name: (result.outcome, result.reason) for result in run_checks(checks)}
