"""The command `telecom-simulator`: five simulated vendors on a port of this machine."""

from __future__ import annotations

import argparse
import re
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from airflow_provider_telecom.simulator.state import TRANSITION_MODES, VENDORS, Transition
from airflow_provider_telecom.simulator.switches import PRESETS, SWITCHES

DEFAULT_PORT = 8090


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulator until SIGINT or SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(prog="telecom-simulator", description=__doc__)
    for flag, facts in options().items():
        parser.add_argument(flag, **facts)
    return run(parser.parse_args(argv))


def options() -> dict[str, dict[str, Any]]:
    """Return the command's options, each with its arguments for argparse."""
    return {
        "--port": {"type": port, "default": DEFAULT_PORT, "help": "port on 127.0.0.1 (0: any free one)"},
        "--seed": {"type": int, "default": 0, "help": "seed of the simulated data"},
        "--transition": {
            "type": transition,
            "action": "append",
            "metavar": "KIND=MODE:COUNT",
            "help": "how long states take: novaconnect=after_polls:3, sunsim=after_seconds:2 (repeatable)",
        },
        "--preset": {
            "choices": PRESETS,
            "default": "default",
            "help": "which readings of the vendors' documents to follow (random: chosen by the seed)",
        },
        "--switch": {
            "type": switch,
            "action": "append",
            "metavar": "NAME=VALUE",
            "help": "choose another reading: ketchup_loyalty.bare_read=on (repeatable; /_control/switches)",
        },
    }


def port(text: str) -> int:
    """Read a port's number."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("must be a number from 0 to 65535")
    return int(text)


def transition(text: str) -> tuple[str, Transition]:
    """Read `ketchup_loyalty.sms=after_seconds:2`."""
    kind, _, rest = text.partition("=")
    word, _, count = rest.partition(":")
    mode = next((mode for mode in TRANSITION_MODES if mode == word), None)
    if mode is None:
        raise argparse.ArgumentTypeError(
            "must be like ketchup_loyalty.sms=after_seconds:2, =after_polls:3 or =immediate"
        )
    if kind.split(".")[0] not in VENDORS:
        raise argparse.ArgumentTypeError(f"must begin with one of {', '.join(VENDORS)}")
    if mode == "immediate":
        return kind, Transition()
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", count):
        raise argparse.ArgumentTypeError("the count after the colon must be a number")
    return kind, Transition(mode, float(count))


def switch(text: str) -> tuple[str, str]:
    """Read `ketchup_loyalty.bare_read=on`."""
    name, _, value = text.partition("=")
    known = {switch.full_name: switch.values for switch in SWITCHES}
    if value not in known.get(name, ()):
        raise argparse.ArgumentTypeError(
            f"must be {name}={'|'.join(known[name])}" if name in known else "no switch has this name"
        )
    return name, value


def run(given: argparse.Namespace) -> int:
    """Start the simulator, say how to use it, and wait for SIGINT or SIGTERM."""
    from airflow_provider_telecom.simulator.server import HOST, Simulator

    simulator = Simulator(given.port, given.seed, given.preset)
    try:
        simulator.start()
    except OSError as error:
        print(
            f"telecom-simulator: port {given.port} on {HOST} cannot be used: {error.strerror}",
            file=sys.stderr,
        )
        return 1
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    for kind, how in given.transition or []:
        simulator.state.set_transition(kind, how.mode, how.count)
    for name, value in given.switch or []:
        simulator.state.set_switch(name, value)
    print(f"The simulator is at {simulator.url} and ends with Ctrl-C. Point Airflow at it with:\n")
    for name, value in simulator.environment().items():
        print(f"export {name}='{value}'")
    sys.stdout.flush()
    ended.wait()
    simulator.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
