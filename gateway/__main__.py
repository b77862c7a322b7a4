"""`python -m gateway` is `gemelo`."""

from gateway.cli import main

main()
