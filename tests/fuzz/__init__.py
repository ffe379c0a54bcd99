"""Bytes that are not ours, made by machine: every reader must answer, or refuse with one message. `make fuzz`."""
