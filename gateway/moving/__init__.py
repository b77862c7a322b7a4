"""Histories of other systems, read from files: each row becomes values with a device, a property and a time."""
