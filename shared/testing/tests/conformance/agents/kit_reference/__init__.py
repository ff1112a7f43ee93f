"""Agents that keep every rule, and the vendor they talk to: what the kit must not complain about."""
