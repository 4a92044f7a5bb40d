"""What a report of a run is put together from."""
