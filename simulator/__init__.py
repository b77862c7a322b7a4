"""`gemelo-sim`: devices, phones, a stand-in cloud and faults. Imports nothing of the product."""
