"""One room a method: a folder with its parameters, network and losses. docs/methods.md shows how to add one.

A room has `parameters.py` (class `Parameters`, light), `network.py` (class `Network`) and `losses.py` (class `Losses`).
Rooms are made of svrn.parts and know nothing of each other; nothing outside a room asks which method it is.
"""
