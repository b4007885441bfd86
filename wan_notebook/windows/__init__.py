"""What a person sees of jobs, requests and tasks, as HTML and as text."""
