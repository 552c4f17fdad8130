"""Reports on studies, searches and data."""
