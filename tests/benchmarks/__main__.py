"""python -m tests.benchmarks [name ...] [--rounds 3]: the named figures, or all.

`--list` says which there are.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback

from tests.benchmarks.bench import Bench
from tests.benchmarks.catalog import BENCHMARKS, load
from tests.benchmarks.configuring import configure


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description="Every figure beside its peer or limit.")
    parser.add_argument("names", nargs="*", metavar="name", help="one or more of --list; all by default")
    parser.add_argument("--rounds", type=int, default=3, help="that are measured, after one that warms up")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{name:16}{title}" for name, title in BENCHMARKS.items()))
        return
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    if options.rounds < 1:
        parser.error("--rounds: at least one")
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # by way of every `finally`: the server stops with us
    sys.exit(run(options.names or list(BENCHMARKS), Bench(options.rounds)))


def run(names: list[str], bench: Bench) -> int:
    """Each in turn; one that fails is told and does not stop the others. How many failed."""
    from tests.benchmarks.server import running_server, settings_of

    with running_server() as url:
        configure(url)
        from tests.benchmarks import report
        from tests.benchmarks.databases import drop_templates

        shown = settings_of(url)
        failed = 0
        for name in names:
            started = time.monotonic()
            print(f"\n{name}: {BENCHMARKS[name]}", flush=True)
            try:
                result = load(name)(bench)
            except Exception:  # its failure is the finding; the others are still worth having
                traceback.print_exc()
                failed += 1
                continue
            print(report.as_text(result), flush=True)
            report.write(name, result, server=shown, bench=bench)
            print(f"({time.monotonic() - started:.0f} s)", flush=True)
        drop_templates()
    return failed


if __name__ == "__main__":
    main()
