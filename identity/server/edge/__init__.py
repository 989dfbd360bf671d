"""The edge on sockets: its doors for real clients, the pipes to nodes, and the certificate that clients trust."""
