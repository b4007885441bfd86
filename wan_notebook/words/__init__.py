"""Ground: addresses, words for times, sizes and money, escaped HTML, and what a private run keeps out."""
