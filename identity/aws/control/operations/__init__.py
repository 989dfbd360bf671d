"""The operations of IAM. The registry loads every module below, so adding one edits nothing else."""
