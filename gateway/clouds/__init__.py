"""The clouds that a gateway can be joined to: each has its link, its uplink, and what is shown of it."""
