"""What a run leaves in a notebook and beside a clip, and whether it is still true."""
