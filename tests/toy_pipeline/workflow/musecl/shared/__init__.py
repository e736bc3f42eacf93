"""What every stage of the toy pipeline stands on; dvc.yaml names the folder."""
