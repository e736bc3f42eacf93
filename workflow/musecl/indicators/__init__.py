"""What is to be predicted, brought to regions."""
