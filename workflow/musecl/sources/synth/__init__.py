"""A generated city as a provider of every layer."""
