"""HTTP API, live WebSocket and the console page. May import `twins` and `runtime`; no other rim."""
