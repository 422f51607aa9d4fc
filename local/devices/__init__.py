"""Devices: their certificates, an MQTT client for them, and a simulated fleet."""
