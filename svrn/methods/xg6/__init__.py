"""XG-6-sub-multi: six regions of structural attributes, each with a classifier, kept in the embedding."""
