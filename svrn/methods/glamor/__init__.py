"""GLAMOR: attention at the network's beginning, global in the stem and local in the first unit, mixed by channels."""
