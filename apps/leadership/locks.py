"""The registry of advisory lock keys.

Keys are per database, whatever the schema, and the two-integer keys are a space of their own. Every advisory lock this
product takes is listed here, so that no two uses meet on one key.
"""

from enum import IntEnum

CLASS = 0x5C4E
TOTALS_CLASS = 0x5C4F  # second half: the tenant whose totals are being put right, for a transaction


class Lock(IntEnum):
    """Second half of the key, under `CLASS`."""

    LEADER = 1
    PLATFORM_JOBS = 2
    CLAIMS = 3  # of workers, for a transaction: who counts what runs must see what the one before took
