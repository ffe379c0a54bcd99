"""TransReID: a transformer with side information in its tokens, and a branch on jigsaw patches."""
