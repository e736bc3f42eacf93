"""What every stage of the relay stands on; dvc.yaml names the folder."""
