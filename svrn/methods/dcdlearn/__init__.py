"""DCDLearn, multi-order deep cross-distance learning: camera styles as further orders of an image."""
