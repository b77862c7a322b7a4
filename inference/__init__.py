"""Models and the engine that runs them. May import `twins` and `runtime`; no other rim."""
