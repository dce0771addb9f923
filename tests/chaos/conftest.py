"""`make chaos` runs all of it; the suite runs the short run of random faults alone."""

import os

collect_ignore = (
    [] if os.environ.get("SECONDS") else ["test_network.py", "test_promotion.py", "test_upgrade.py"]
)
