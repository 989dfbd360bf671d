"""What machines are assigned, and whether that still holds: attachments by a fault, renewals tried before they are due."""
