"""The ledger: the senders' own records against what is read back from the store and from the cloud. The one oracle.

It asks nobody's counters. It reads what each sender wrote down as it sent and heard (`simulator.record`), the points
and results that the store gives back in SQL, and every message that the stand-in cloud wrote down before it answered.

    gemelo-sim ledger --url http://127.0.0.1:8080 --fleet fleet.jsonl --phone phone.jsonl --cloud DIR --out ledger.json
"""

from simulator.ledger.command import HELP, NAME, arguments, run

__all__ = ["HELP", "NAME", "arguments", "run"]
