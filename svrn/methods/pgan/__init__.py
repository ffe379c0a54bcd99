"""PGAN: attention over the parts that a detector found, learned from the vehicles' identities alone."""
