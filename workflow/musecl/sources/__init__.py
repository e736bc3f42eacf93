"""Where the layers of a city come from: a module per provider, listed in `providers`."""
