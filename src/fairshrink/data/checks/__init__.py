"""Every problem of a data set, with its row: nothing stops at the first one."""

from fairshrink.data.checks.core import check
from fairshrink.data.checks.findings import Finding, Report
from fairshrink.data.checks.kinds import KINDS
from fairshrink.data.checks.subject import Subject

__all__ = ["KINDS", "Finding", "Report", "Subject", "check"]
