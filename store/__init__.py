"""What is kept: the journal in `state.db`, points in memory and in sealed segments, SQL over both, pictures.

    store = Store(config, "edge-1", clock, live)
    recovered = await store.open()                        # then store.run() in a task
    await store.journal.committed(store.journal.append(batch))
    rows = await store.sql.sql("SELECT …", deadline=5, limit=1000)

May import `twins` and `runtime`. numpy, pyarrow, duckdb and sqlglot (the extra `sql`) are loaded by the first query or
the first sealing: only `table`, `query` and `guard` import them at their top.
"""
