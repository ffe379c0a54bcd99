"""PCB, part-based convolutional baseline: the worked example of docs/methods.md."""
