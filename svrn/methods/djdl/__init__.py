"""DJDL: identification, attributes, pairs and triplets learned jointly."""
