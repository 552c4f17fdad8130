"""Where pieces of a study train: in this process, in processes, on Dask."""
