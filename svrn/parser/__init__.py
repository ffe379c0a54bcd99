"""The part parser: masks and boxes of a vehicle's parts for images that nobody labelled. docs/part-parser.md."""
