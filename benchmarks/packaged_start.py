"""`python -m benchmarks.packaged_start`: the packaged sidecar's start against that of the same source, run by Python.

Law: figures, not assertions. Both are started in turn (A B, B A, ...), so that the machine's mood is shared, and a
ratio is the median of the ratios within each round. Times are of the host's clock, from before the spawn to when the
answer has been read; CPU is of the child's own clock, until its services are there.
"""

from __future__ import annotations

import argparse
import compileall
import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.child import Child
from benchmarks.report import number, rounded

ROOT = Path(__file__).parent.parent
PACKAGED = ROOT / "dist" / "llm-sidecar" / ("llm-sidecar.exe" if sys.platform == "win32" else "llm-sidecar")
LAST = Path(__file__).with_name("last-packaged.json")
TITLES = {
    "start_ms": "spawn -> initialize answered, ms",
    "ready_ms": "spawn -> llm:get-status answered, ms",
    "cpu_ms": "CPU until then, ms",
    "rss_idle_mb": "memory, idle, MiB",
}
GOAL = ("start_ms", 1.3)
SETTLE_S = 0.5

Numbers = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.packaged_start", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    if not PACKAGED.exists():
        sys.exit(f"there is no {PACKAGED.relative_to(ROOT)}: run `make package`")
    compileall.compile_dir(str(ROOT / "llm_sidecar"), quiet=1)  # as an installation does
    peers = {"package": [str(PACKAGED), "serve"], "python": [sys.executable, "-m", "llm_sidecar", "serve"]}
    with tempfile.TemporaryDirectory() as data_dir:
        for argv in peers.values():
            measure(argv, data_dir)  # so that no disk is cold
        rounds = [
            {name: measure(peers[name], data_dir) for name in (peers if n % 2 else reversed(peers))}
            for n in range(options.rounds)
        ]
    figures = {key: summarise(rounds, key) for key in TITLES}
    print(f"{'':38}{'package':>9}{'python':>9}{'ratio':>8}")
    for key, figure in figures.items():
        row = f"{TITLES[key]:38}{number(figure['package']):>9}{number(figure['python']):>9}{figure['ratio']:>7.2f}x"
        print(row + (f"  (goal: <= {GOAL[1]}x)" if key == GOAL[0] else ""))
    size = sum(path.stat().st_size for path in PACKAGED.parent.rglob("*") if path.is_file()) / 2**20
    print(f"the package: {size:.0f} MiB; {options.rounds} rounds")
    LAST.write_text(json.dumps(told(figures, size, options.rounds), indent=2) + "\n")


def measure(argv: list[str], data_dir: str) -> Numbers:
    """One start on a data folder that is there."""
    child = Child(argv, {"LLM_SIDECAR_HOME": data_dir, "LLM_SIDECAR_LOG_LEVEL": "off"})
    try:
        child.write(line(1, "initialize", {"protocolVersion": 1}))
        start = child.read_until(b"\n")[-1].ns
        child.write(line(2, "llm:get-status", {}))
        ready = child.read_until(b"\n")[-1].ns
        cpu = child.cpu_s()
        time.sleep(SETTLE_S)
        return {
            "start_ms": (start - child.spawned_ns) / 1e6,
            "ready_ms": (ready - child.spawned_ns) / 1e6,
            "cpu_ms": cpu * 1e3,
            "rss_idle_mb": child.rss_mb(),
        }
    finally:
        child.close()


def line(request_id: int, method: str, params: dict[str, int]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}).encode() + b"\n"


def summarise(rounds: list[dict[str, Numbers]], key: str) -> Numbers:
    medians = {name: statistics.median(each[name][key] for each in rounds) for name in ("package", "python")}
    return {**medians, "ratio": statistics.median(each["package"][key] / each["python"][key] for each in rounds)}


def told(figures: dict[str, Numbers], size: float, rounds: int) -> object:
    """The result without anything that names the machine."""
    return rounded(
        {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "rounds": rounds,
            "package_mb": size,
            "figures": figures,
        }
    )


if __name__ == "__main__":
    main()
