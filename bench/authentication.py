"""How long a refusal takes, by its true cause: the times an attacker could compare.

Run from the repository's root: ``python -m bench.authentication [ROUNDS]``. One process, a real store
(SQLite) and Argon2id at the product's default parameters. The cases take turns, so that a busy
moment of the machine falls on all of them, and every attempt comes from an address of its own, so that
no lock-out answers in place of a check. It prints a table and asserts nothing.
"""

import asyncio
import sys
import tempfile
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from policy.authn.passwords import PasswordSettings
from policy.errors import AuthenticationFailed
from policy.vault.secret import Secret
from tests.support.login_house import RIGHT, House, open_house

WRONG = Secret("another-password-99")
FIRST_SOURCE = int(IPv4Address("198.18.0.1"))  # RFC 2544: set aside for measurements
CASES: dict[str, tuple[str, Secret, bool]] = {
    "unknown person": ("nobody", RIGHT, True),
    "wrong password": ("alice", WRONG, True),
    "wrong code": ("alice", RIGHT, False),
    "both wrong": ("alice", WRONG, False),
    "not enrolled": ("bob", RIGHT, True),
    "suspended": ("mallory", RIGHT, True),
}


async def refuse(house: House, source: str, login: str, password: Secret, code: str) -> float:
    """Return the seconds from the beginning of a log-in to its refusal."""
    start = perf_counter()
    attempt = await house.login.begin(login, source)
    try:
        await attempt.check_password_and_code(password, code)
    except AuthenticationFailed:
        return perf_counter() - start
    raise SystemExit(f"{login} got in: nothing was measured")


async def measure(rounds: int) -> dict[str, list[float]]:
    """Return the times of each case over *rounds* turns, after one turn that is not counted."""
    times: dict[str, list[float]] = {case: [] for case in CASES}
    with tempfile.TemporaryDirectory() as directory:
        async with open_house(Path(directory), PasswordSettings()) as house:
            bob, mallory = await house.person("bob"), await house.person("mallory")
            async with house.database.unit_of_work(None, house.clock) as work:
                await work.credentials.forget(bob.id)
                await work.people.update(replace(mallory, active=False))
            source = FIRST_SOURCE
            for turn in range(rounds + 1):
                for case, (login, password, code_right) in CASES.items():
                    source += 1
                    code = house.code() if code_right else "000000"
                    taken = await refuse(house, str(IPv4Address(source)), login, password, code)
                    if turn:
                        times[case].append(taken)
    return times


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    times = asyncio.run(measure(rounds))
    reference = median(times["wrong password"])
    print(f"{'refusal':<16} {'p10 ms':>8} {'p50 ms':>8} {'p90 ms':>8} {'p50 / wrong password':>22}")
    for case, taken in times.items():
        tenths = quantiles(taken, n=10)
        middle = median(taken)
        shown = f"{tenths[0] * 1000:>8.1f} {middle * 1000:>8.1f} {tenths[-1] * 1000:>8.1f}"
        print(f"{case:<16} {shown} {middle / reference:>22.3f}")


if __name__ == "__main__":
    main()
