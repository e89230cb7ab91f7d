"""JSON Schema: what the values of a stream may be."""
