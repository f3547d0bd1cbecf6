"""What the pages show: read from the store by its public names, as plain values, and nothing about HTML or HTTP."""
