"""The numbers behind the dashboard's pictures."""

from tests.contract.schemas.words import BOOLEAN, COUNT, TIME, exact_object, list_of, nullable

_OUTCOMES = dict.fromkeys(("succeeded", "failed", "skipped"), COUNT)
_PERCENTILES = nullable(exact_object({"p50": COUNT, "p99": COUNT}))
HOURS = exact_object(
    {
        "hours": list_of(
            exact_object(
                {
                    "hour": TIME,
                    **_OUTCOMES,
                    "lag_ms": _PERCENTILES,
                    "duration_ms": _PERCENTILES,
                    "sampled": BOOLEAN,
                }
            )
        ),
        "totals": exact_object(_OUTCOMES),
        "last_updated": TIME,
    }
)
_PEAK = exact_object({"at": TIME, "count": COUNT})
FORECAST = exact_object(
    {
        "from": TIME,
        "minutes": list_of(COUNT),
        "flattened": list_of(COUNT),
        "suggested_jitter_seconds": COUNT,
        "peak": _PEAK,
        "flattened_peak": _PEAK,
        "total": COUNT,
        "jobs": COUNT,
        "left_out": COUNT,
        "options": list_of(exact_object({"jitter_seconds": COUNT, "peak": COUNT})),
    }
)
