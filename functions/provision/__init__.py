"""Provision: decides which devices AWS IoT may register by themselves."""
