"""The operators' admin site."""

from unfold.sites import UnfoldAdminSite


class OperatorsSite(UnfoldAdminSite):
    """For on-call staff, on the operators' host alone."""


site = OperatorsSite(name="admin")
