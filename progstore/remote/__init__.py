"""Sending what is recorded on this machine to a server: HTTP, what may go wrong with it, and who does it when."""
