"""`python -m benchmarks`: measure every peer this machine can run, side by side, and print one table.

Law: the order of things and nothing else. Sessions are interleaved (A B C D, D C B A, ...), so that a machine that
slows down slows everybody. No figure makes the run fail: what is asserted is that no token was lost.
"""

from __future__ import annotations

import argparse
import compileall
import sys
import tempfile
import time

from benchmarks.child import Failed
from benchmarks.measure import FULL_PLAN, GROUPS, QUICK_PLAN, Plan, Provider, session
from benchmarks.peers import HERE, INSTALL_NODE_OPENAI, Peer, all_peers
from benchmarks.report import Rounds, summarise, table, write_json


def chosen(option: str | None, every: tuple[str, ...]) -> list[str]:
    names = option.split(",") if option else list(every)
    if unknown := set(names) - set(every):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(every)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter sessions, under a minute")
    parser.add_argument("--format", choices=("openai", "anthropic"), default="openai", help="what the provider speaks")
    parser.add_argument("--only", metavar="A,B", help=f"figures to measure, of: {', '.join(GROUPS)}")
    parser.add_argument("--peers", metavar="A,B", help="peers to measure: sidecar, floor, the SDK (by format), node")
    options = parser.parse_args()
    groups = chosen(options.only, GROUPS)
    plan = QUICK_PLAN if options.quick else FULL_PLAN
    began = time.monotonic()
    compileall.compile_dir(str(HERE.parent / "llm_sidecar"), quiet=1)  # as an installation does
    provider = Provider()
    try:
        with tempfile.TemporaryDirectory() as data_dir:
            peers = all_peers(provider.port, data_dir, options.format)
            if options.format == "openai" and "node" not in peers:
                print(f"Node's `openai` is left out; with Node present it is installed by: {INSTALL_NODE_OPENAI}\n")
            names = chosen(options.peers, tuple(peers))
            rounds = run({name: peers[name] for name in names}, provider, groups, plan)
    except Failed as failure:
        sys.exit(f"benchmark failed: {failure}")
    finally:
        provider.child.close()
    figures = summarise(rounds)
    print(table(figures))
    print(f"{plan.rounds} rounds in {time.monotonic() - began:.0f} s")
    if len(names) == len(peers) and len(groups) == len(GROUPS):
        name = "last.json" if options.format == "openai" else f"last-{options.format}.json"
        write_json(HERE / name, figures, rounds=plan.rounds, quick=options.quick)


def run(peers: dict[str, Peer], provider: Provider, groups: list[str], plan: Plan) -> Rounds:
    """Every session there is, interleaved; each peer is started once beforehand, so that no disk is cold."""
    for peer in peers.values():
        session(peer, provider, ["start"], plan, "warm-up")
    rounds: Rounds = []
    for n in range(plan.rounds + plan.start_rounds * ("start" in groups)):
        todo = groups if n < plan.rounds else ["start"]
        order = list(peers) if n % 2 == 0 else list(reversed(peers))
        rounds.append({name: session(peers[name], provider, todo, plan, f"{name}-{n}") for name in order})
    return rounds


if __name__ == "__main__":
    main()
