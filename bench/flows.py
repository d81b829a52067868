"""``python -m bench.flows``: what it costs to open a way in the network filter, one by one and many at once.

As root, on a network of its own; the broker and nft as they run on a bastion.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.target.flows import FlowBroker
from tests.support.network import Network, network, refusal

RULES = Path(__file__).parents[1] / "deploy/nftables/ecluse.nft"
GATEWAY = 64001
ONE_BY_ONE = 100
AT_ONCE = (200, 1000)
LOOK_SECONDS = 0.005


def opened(cables: Network) -> int:
    """Count the ways that the kernel has."""
    shown = json.loads(cables.run("bastion", "nft", "-j", "list", "set", "inet", "ecluse", "open4"))
    return sum(len(one["set"].get("elem", [])) for one in shown["nftables"] if "set" in one)


async def measure(broker: FlowBroker, cables: Network) -> None:
    """Print a row for each number."""
    places = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(max(AT_ONCE))]
    took: list[float] = []
    for place in places[:ONE_BY_ONE]:
        begun = time.perf_counter()
        flow = await broker.open(place, 22, lambda: 3600.0)
        took.append(time.perf_counter() - begun)
        flow.close()
    took.sort()
    p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
    print(f"a way opened, one by one: p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
    for count in AT_ONCE:
        begun = time.perf_counter()
        flows = await asyncio.gather(*(broker.open(place, 22, lambda: 3600.0) for place in places[:count]))
        opening = time.perf_counter() - begun
        begun = time.perf_counter()
        for flow in flows:
            flow.close()
        while await asyncio.to_thread(opened, cables):  # noqa: ASYNC110 - the kernel sets no event
            await asyncio.sleep(LOOK_SECONDS)
        closing = time.perf_counter() - begun
        print(f"{count} ways at once: opened in {opening:.2f} s, closed in {closing:.2f} s")


def main() -> None:
    """Measure, and print a row for each number."""
    if (why := refusal()) is not None:
        sys.exit(f"nothing is measured: {why}")
    with network() as cables, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cables.machine("bastion")
        (folder / "site.nft").write_text(f"add element inet ecluse gateways {{ {GATEWAY} }}\n")
        cables.run("bastion", "nft", "-I", name, "-f", str(RULES))
        register = {
            "flows": [{"address": f"10.0.{a}.{b + 1}", "port": 22} for a in range(4) for b in range(250)]
        }
        (folder / "flows.json").write_text(json.dumps(register))
        command = [
            *cables.on("bastion"), sys.executable, "-I", "-m", "ecluse.flows.broker", "--gateway", str(GATEWAY),
            "--register", str(folder / "flows.json"), "--listen", str(folder / "flows.sock"),
            "--nft", str(shutil.which("nft")),
        ]  # fmt: skip
        said = folder / "broker.log"
        with said.open("wb") as log, subprocess.Popen(command, stderr=log) as process:
            while b"ready" not in said.read_bytes() and process.poll() is None:
                time.sleep(LOOK_SECONDS)
            try:
                asyncio.run(measure(FlowBroker(folder / "flows.sock"), cables))
            finally:
                process.terminate()


if __name__ == "__main__":
    main()
