"""The warehouses that landing tables can live in: one protocol, one module each."""
