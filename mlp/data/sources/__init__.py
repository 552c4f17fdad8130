"""Where images come from: folders, CSV files, MedMNIST files, digits."""
