"""Validated objects to typed landing tables of the warehouse."""
