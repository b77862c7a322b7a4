"""What an instance remembers of its inputs: windows of values, and the value before the last one.

It is bounded, and written in small rows with the commit that changed it, so that it goes on after a restart.
"""
