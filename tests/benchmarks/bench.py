"""What is fast, and how fast: every row of the table, as ratios to the plain way, in one process.

    python tests/benchmarks/bench.py [NAME ...] [--toy] [--cpu] [--out bench.json]

Ratios are medians of measurements in turn, with their quartiles; two threads. No test judges time: quote the
table from a quiet moment. Where there is none, --cpu compares the processor time of one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read once, when torch is loaded

import numpy
import timing
import torch
from rows import ROWS, Row
from timing import Measured

from spivae.cores import usable_threads


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="rows  [default: all]")
    parser.add_argument("--toy", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="where to write the numbers")
    parser.add_argument("--cpu", action="store_true", help="processor time of one thread, for a busy machine")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"no row {min(unknown)}; there are {', '.join(row.name for row in ROWS)}")
    before = torch.get_num_threads(), timing.clock
    torch.set_num_threads(1 if options.cpu else min(2, usable_threads()))
    timing.clock = time.process_time if options.cpu else time.perf_counter
    try:
        print(machine(), flush=True)
        print(f"{'':34} {'ratio':>9}   {'quartiles':>13}  {'must':>6}  {'aim':>6}")
        found = {}
        for row in ROWS:
            if not options.names or row.name in options.names:
                found[row.name] = row, row.measure(options.toy)
                print(line(*found[row.name]), flush=True)
    finally:
        torch.set_num_threads(before[0])
        timing.clock = before[1]
    document = {name: as_json(*measured) for name, measured in found.items()}
    options.out.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def machine() -> str:
    """Processor, threads, load and versions in two lines."""
    name = platform.processor() or platform.machine()
    try:
        models = [text for text in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in text]
        name = models[0].partition(":")[2].strip() if models else name
    except OSError:
        pass  # no Linux: what Python knows must do
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads{load}\n"
        f"Python {platform.python_version()}, torch {torch.__version__}, numpy {numpy.__version__}"
    )


def line(row: Row, found: Measured) -> str:
    word = (
        "aim" if row.reached(found.ratio, row.aim) else "must" if row.reached(found.ratio, row.must) else ""
    )
    spread = f"{found.low:.4g} .. {found.high:.4g}"
    value = f"{found.ratio:.3g} {row.unit}"
    return f"{row.what:34} {value:>9}   {spread:>13}  {row.must:>6g}  {row.aim:>6g}  {word}".rstrip()


def as_json(row: Row, found: Measured) -> dict[str, object]:
    return {
        "ratio": found.ratio,
        "must": row.must,
        "aim": row.aim,
        "spread": [found.low, found.high],
        "unit": row.unit,
        "most": row.most,
    }


if __name__ == "__main__":
    sys.exit(main())
