"""SCSN: SVRN's nearest kin, a cascade that suppresses by its own attention, with no critic and no common space."""
