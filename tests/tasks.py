"""Tasks that only tests register. `TASK_MODULES` names this module in the settings of the test suite."""
