"""`python -m simulator` is `gemelo-sim`."""

from simulator.cli import main

main()
