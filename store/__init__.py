"""What is kept: the journal in `state.db`, point segments, SQL over both. May import `twins` and `runtime`."""
