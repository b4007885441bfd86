"""Where the rooms are joined, once per kernel, and what this machine has."""
