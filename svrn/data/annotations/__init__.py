"""Side information of images: attributes, viewpoint, key-points, boxes and masks, in one file a benchmark."""
