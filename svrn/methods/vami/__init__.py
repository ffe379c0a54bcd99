"""VAMI, viewpoint-aware attentive multi-view inference: from one view the feature of all of them."""
