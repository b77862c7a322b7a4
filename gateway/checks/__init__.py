"""What `gemelo check` looks at, by place: `machine` (this computer), `files`, `network` (ports and peers).

A check is a function of `Subject` that yields findings. It may block for as long as its own deadlines allow; the runner
in `gateway/check.py` gives each a thread.
"""
