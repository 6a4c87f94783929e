"""A synthetic shop: customers, a catalogue, orders and what becomes of them, as daily landing files."""
