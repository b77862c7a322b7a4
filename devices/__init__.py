"""How to talk to things: MQTT links, cameras, phones. May import `twins`, `rules` and `runtime`; no other rim."""
