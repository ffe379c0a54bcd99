"""BoT, the bag of tricks: the reference that every rival should be held against."""
