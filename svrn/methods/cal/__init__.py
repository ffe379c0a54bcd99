"""CAL: attention maps that are taught by what they change against maps drawn by chance."""
