"""`musecl city`: add a city of one's own to params.yaml, and check what its files hold."""
