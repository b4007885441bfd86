"""The only place that speaks to a kernel and its front end."""
