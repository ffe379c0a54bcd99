"""AGNet-ASL: attributes guide a mask over the identity branch, and say which vehicles share the smoothing of labels."""
