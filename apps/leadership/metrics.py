"""What a leader's term moves. Scraped from the scheduler's process (METRICS_PORT)."""

from apps.leadership.histograms import Histogram

step_seconds = Histogram("scheduler_step_seconds", "How long a step of the leader took.", label="step")
