"""Entra: public pages, key sets, the claims of tokens and their verification."""
