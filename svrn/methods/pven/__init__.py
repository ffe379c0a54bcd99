"""PVEN: features of a vehicle's four views, compared by the views that two images share."""
