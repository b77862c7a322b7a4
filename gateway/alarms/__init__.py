"""Alarms at the rim: how they stand, commands of people and programs, and what MQTT hears of them."""
