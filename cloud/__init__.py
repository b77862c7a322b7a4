"""The link to the cloud. May import `twins` and `runtime`; no other rim."""
