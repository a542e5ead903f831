"""Files that run inside the engine's environment, by its Python; nothing of the kit imports them."""
