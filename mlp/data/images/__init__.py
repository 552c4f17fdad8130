"""Encoded images: their formats, what their headers say, and their pixels."""
