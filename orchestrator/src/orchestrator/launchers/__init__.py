"""How stages are started: one interface, interchangeable implementations."""
