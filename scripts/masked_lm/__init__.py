"""Parts of the scripts that train and judge a masked-LM head."""
