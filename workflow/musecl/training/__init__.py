"""Contrastive training of an encoder's last blocks, and the embeddings that it gives."""
