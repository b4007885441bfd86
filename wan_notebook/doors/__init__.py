"""What the magics and the command line are made of."""
