"""Imported by the fork server alone, for its effect: processes forked from it have Django and the tasks loaded."""

from apps.executions.targets.process_child import preload

preload()
