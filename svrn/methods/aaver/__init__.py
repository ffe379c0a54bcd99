"""AAVER, adaptive attention for vehicle re-identification: a second path on key-points chosen by orientation."""
