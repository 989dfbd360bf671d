"""How the account gets to the regions: what each is sent, to whom and when."""
