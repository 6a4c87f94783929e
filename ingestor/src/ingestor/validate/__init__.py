"""Validation: every record of a landing file is a good row or a quarantined record."""
