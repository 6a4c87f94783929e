"""The definitions, one module for each part of the graph; each has one function from settings to definitions."""
