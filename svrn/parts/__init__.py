"""What methods are built from: heads, branches, pooling, memories, losses on pairs, and what a method is made to be."""
