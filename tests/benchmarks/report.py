"""What was measured, for people: `docs/benchmarks.md`, in which the parts between markers are written here."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from scheduler_saas.embedded.site import PROJECT
from tests.benchmarks.bench import Bench, Result
from tests.benchmarks.record import Figure, merge

DOCUMENT = PROJECT / "docs" / "benchmarks.md"
RECORD = PROJECT / "var" / "bench.json"
_MET = {True: "met", False: "NOT MET", None: "not measured"}
_VERSIONS = ("Django", "psycopg", "uvloop", "aiohttp")


def write(name: str, result: Result, *, server: Mapping[str, str], bench: Bench) -> None:
    """The record's rows and the document's part of this benchmark, and what they were measured on."""
    merge(RECORD, result.figures, benchmark=name)
    text = DOCUMENT.read_text(encoding="utf-8")
    text = replace_part(text, "machine", machine_part(server))
    DOCUMENT.write_text(replace_part(text, name, part(name, result, bench)), encoding="utf-8")


def replace_part(text: str, name: str, content: str) -> str:
    """`text` with another content between the markers of `name`. Raises ValueError where they are missing."""
    pattern = re.compile(rf"(<!-- bench:{re.escape(name)} -->\n).*?(<!-- /bench -->)", re.DOTALL)
    replaced, n = pattern.subn(
        lambda match: f"{match[1]}{content.strip()}\n{match[2]}" if content else match[1] + match[2], text
    )
    if n != 1:
        raise ValueError(f"the document has {n} places for {name!r}")
    return replaced


def part(name: str, result: Result, bench: Bench) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    pieces = [f"`make bench ONLY={name} ROUNDS={bench.rounds}`, {day}", table(result.figures), chart(result)]
    if result.printed:
        pieces.append(f"```\n{result.printed.strip()}\n```")
    return "\n\n".join(piece for piece in (*pieces, result.note) if piece)


def table(figures: list[Figure]) -> str:
    if not figures:
        return ""
    lines = ["| Figure | Ours | Against | Theirs | Ratio | Goal | Met |", "|---|--:|---|--:|--:|---|---|"]
    for figure in figures:
        met = {None: "", True: "yes", False: "**no**"}[figure.met]
        cells = (
            figure.name.partition(".")[2].replace("-", " "),
            f"{number(figure.value)} {figure.unit}",
            figure.against,
            number(figure.reference) if figure.against else "",
            "" if figure.ratio is None else f"{figure.ratio:.3g}",
            "" if figure.goal is None else str(figure.goal).replace("<", "&lt;").replace(">", "&gt;"),
            met,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def chart(result: Result) -> str:
    """Mermaid: GitHub draws it in the reader's own theme, and elsewhere its text can be read."""
    if not result.chart:
        return ""
    labels = ", ".join(f'"{label}"' for label, _ in result.chart)
    values = ", ".join(f"{value:.4g}" if value < 1000 else f"{value:.0f}" for _, value in result.chart)
    top = f"{max(value for _, value in result.chart) * 1.05:.2g}"
    look = json.dumps(
        {
            "xyChart": {"height": 60 + 50 * len(result.chart)},
            "themeVariables": {"xyChart": {"plotColorPalette": "#4493f8"}},  # seen on white and on black
        }
    )
    return (
        f"```mermaid\n%%{{init: {look}}}%%\nxychart-beta horizontal\n"
        f'    x-axis [{labels}]\n    y-axis "{result.chart_unit}" 0 --> {float(top):g}\n    bar [{values}]\n```'
    )


def as_text(result: Result) -> str:
    lines = []
    for figure in result.figures:
        theirs = f"{figure.against} {number(figure.reference)}" if figure.against else ""
        ratio = "" if figure.ratio is None else f"{figure.ratio:.3g}x"
        goal = "" if figure.goal is None else f"{figure.goal}: {_MET[figure.met]}"
        lines.append(
            f"  {figure.name:32}{number(figure.value):>10} {figure.unit:10}{theirs:44} {ratio:>8}  {goal}".rstrip()
        )
    return "\n".join([*lines, *([result.printed] if result.printed else [])])


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine_part(server: Mapping[str, str]) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _VERSIONS)
    settings = ", ".join(f"`{name} = {value}`" for name, value in server.items())
    return (
        f"- Machine: {_processor()}, {os.cpu_count()} cores, {_memory()}, Linux {platform.release()}\n"
        f"- Python {platform.python_version()}, {packages}\n"
        f"- Postgres, as SHOWn: {settings}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    found = re.search(r"model name\s*:\s*(.+)", text)
    return found[1] if found else platform.processor() or platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
