"""Explanation of large collections: resumable, in parts, by one process or by many machines."""
