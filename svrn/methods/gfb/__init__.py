"""GB+GFB+SLB: a second path on features weighted by a map of local maxima, taught by turning the image."""
