"""The simulator: a whole company, its systems and its hub in one process and on one seed."""
