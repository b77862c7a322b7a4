"""The subcommands of `gemelo`, one module each, with `HELP`, `arguments(parser)` and `async run(args) -> int`.

Exit codes: 0 done; 1 what was asked did not work out; 2 the words were wrong; 3 who is needed
does not answer: no gateway, no network; 4 what was waited for did not come in time; 130 Ctrl-C.
"""
