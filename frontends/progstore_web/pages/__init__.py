"""The pages: each file answers the addresses of one, with what `shown` read and a template."""
