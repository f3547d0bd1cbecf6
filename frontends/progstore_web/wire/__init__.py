"""Progressista's protocol: what its published client sends becomes documents of the store, and what it reads comes
from the store's values.
"""
