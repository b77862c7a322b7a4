"""Devices that speak MQTT: two links to a broker with one contract, and the door that reads and answers through one.

`FastLink` speaks MQTT 5 over the sans-I/O codec `mqtt5`; `SteadyLink` speaks MQTT 3.1.1 through aiomqtt.
"""
