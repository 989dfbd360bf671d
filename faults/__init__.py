"""What can break: one small file per fault, found by entry point. How to write one: docs/writing-a-fault.md."""
