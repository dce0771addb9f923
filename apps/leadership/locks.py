"""The registry of advisory lock keys.

Keys are per database, whatever the schema, and the two-integer keys are a space of their own. Every advisory lock this
product takes is listed here, so that no two uses meet on one key. `tests/unit/test_leadership_locks.py` refuses a call
with any other key, and a change of a value: processes of two releases run side by side while one replaces the other.
"""

from enum import IntEnum, unique

# First halves of keys.
CLASS = 0x5C4E  # second half: a `Lock`
TOTALS_CLASS = 0x5C4F  # second half: the tenant whose totals are being put right, for a transaction
SCRATCH_CLASS = (
    0x5C50  # second half: a hash of the name of a demo's or a drill's database, held while that is in use
)


@unique
class Lock(IntEnum):
    """Second half of the key, under `CLASS`."""

    LEADER = 1
    PLATFORM_JOBS = 2
    CLAIMS = 3  # of workers, for a transaction: who counts what runs must see what the one before took
    ALERTS = 4
