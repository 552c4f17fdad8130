"""Training the pieces of a study: in this process, in processes, on Dask."""
