"""What is known of the service: models, limits, prices, regions and codes, each with its source and date."""
