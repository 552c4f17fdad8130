"""Sources of images: folders, CSV files, MedMNIST files, digits."""
