"""The account as a whole: its alias, its password policy, its summary."""
