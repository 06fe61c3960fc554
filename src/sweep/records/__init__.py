"""The files of a study and the values in them."""
