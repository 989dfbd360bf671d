"""Role definitions and assignments in ARM: `Microsoft.Authorization`."""
