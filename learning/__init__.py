"""What the gateway learns from its own history: limits and anomaly scores of series, and forecasts.

Imports `twins` and `runtime` alone; what it needs of the store are ports in `history.py`, joined in `gateway/`.

    knowledge = Knowledge("Europe/Zurich")           # owned by the sequencer: scores points in their turn
    learner = Learner(knowledge, ...)                # beside it: fits when it is time, and teaches what it found
"""
