"""A job from its submit to its saved clip, in the background, paid once."""
