"""What the dispatcher moves. Scraped from the scheduler's process (METRICS_PORT)."""

from apps.leadership.histograms import Histogram

dispatch_lag = Histogram(
    "scheduler_dispatch_lag_seconds",
    "From the nominal time of a tick to the commit that made its execution. A tick caught up on late counts in full.",
)
