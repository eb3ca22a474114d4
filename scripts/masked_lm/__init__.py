"""Parts of the script that trains a masked-LM head on a frozen body."""
