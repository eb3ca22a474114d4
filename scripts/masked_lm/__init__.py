"""Parts of the scripts that train and evaluate a masked-LM head."""
