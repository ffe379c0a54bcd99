"""SAN: stripes in one branch, attributes in the other."""
