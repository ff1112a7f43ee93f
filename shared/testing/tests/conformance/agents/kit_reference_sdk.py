"""Stands for a large package of the vendor."""
