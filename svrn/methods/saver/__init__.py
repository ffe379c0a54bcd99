"""SAVER, which table 1 calls SEVER: self-supervised attention by what a generated template lacks; and EVER after it."""
