"""What every step stands on: what it declares, its files and parameters, its errors."""
