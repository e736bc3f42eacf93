"""What a notebook does with the results of a city, without PyTorch or an engine."""
