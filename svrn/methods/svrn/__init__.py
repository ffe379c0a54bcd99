"""SVRN, the paper's method: a cascade of stages that suppresses what was salient, and one space for their features.

With one stage it is the paper's baseline: backbone, spatial mining and classification block, nothing else.
"""
