"""PRN, part-regularised (He et al.): parts that the network must tell vehicles by in training, and none at test."""
