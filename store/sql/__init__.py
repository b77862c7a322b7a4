"""Questions in SQL: guarded here, answered by DuckDB in processes of their own, which a bad query may take down.

`service` is the gateway's side. `worker` and what it imports (`query`, `sources`, `rows`) run in those processes alone.
"""
