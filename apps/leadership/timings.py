"""The periods of leadership, in seconds, and what must hold between them."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Raises ImproperlyConfigured when a healthy leader would be evicted."""

    check_interval: float = 60.0
    election_poll: float = 0.025
    heartbeat: float = 0.5
    trust_window: float = 5.0
    idle_timeout: float = 3.0
    statement_timeout: float = 30.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ImproperlyConfigured(f"{name.upper()} must be more than 0 seconds")
        if self.heartbeat * 2 > min(self.trust_window, self.idle_timeout):
            raise ImproperlyConfigured(
                f"LEADER_HEARTBEAT ({self.heartbeat} s) must be at most half of LEADER_TRUST_WINDOW "
                f"({self.trust_window} s) and of LEADER_IDLE_TIMEOUT ({self.idle_timeout} s): one late heartbeat "
                "would end a healthy term"
            )
        if self.election_poll * 2 > self.idle_timeout:
            raise ImproperlyConfigured(
                f"ELECTION_POLL ({self.election_poll} s) must be at most half of LEADER_IDLE_TIMEOUT "
                f"({self.idle_timeout} s): the database would end a standby's session between two polls"
            )

    @classmethod
    def from_settings(cls) -> Timings:
        return cls(
            check_interval=settings.CHECK_INTERVAL,
            election_poll=settings.ELECTION_POLL,
            heartbeat=settings.LEADER_HEARTBEAT,
            trust_window=settings.LEADER_TRUST_WINDOW,
            idle_timeout=settings.LEADER_IDLE_TIMEOUT,
            statement_timeout=settings.LEADER_STATEMENT_TIMEOUT,
        )

    def session_settings(self) -> dict[str, str]:
        """Postgres parameters of a replica's session: every way in which the server gives up on a silent client.

        And plans by index, since statistics lag behind hot tables; without `jit`, as a plan that has no index to go by
        counts as very dear and would be compiled.
        """
        idle = str(max(1, round(self.idle_timeout * 1000)))
        return {
            "idle_session_timeout": idle,
            "idle_in_transaction_session_timeout": idle,
            "statement_timeout": str(max(1, round(self.statement_timeout * 1000))),
            "tcp_keepalives_idle": "2",
            "tcp_keepalives_interval": "1",
            "tcp_keepalives_count": "3",
            "tcp_user_timeout": "4000",
            "enable_seqscan": "off",
            "enable_bitmapscan": "off",
            "enable_nestloop": "off",
            "enable_mergejoin": "off",
            "enable_sort": "off",
            "jit": "off",
        }
