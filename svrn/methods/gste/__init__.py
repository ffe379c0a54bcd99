"""GSTE, group-sensitive triplets: between an image and its vehicle stands the group of images that look alike."""
