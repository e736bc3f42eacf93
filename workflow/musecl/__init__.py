"""Region embeddings from imagery, places and mobility (MuseCL, Yong and Zhou, IJCAI 2024)."""
