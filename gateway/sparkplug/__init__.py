"""Sparkplug in the gateway: births become manifests, desired values commands, and what is amiss a request for a birth.

The manifests are the memory of which device is whose: an annotation names the one place whose messages it is made of,
and a device of any other origin is not touched. What the births said is kept in memory alone, so after a start each
node is asked again when it first speaks, or when something is desired of it.
"""

from gateway.sparkplug.host import SparkplugHost

__all__ = ["SparkplugHost"]
