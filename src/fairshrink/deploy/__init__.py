"""A model in use: predictions for new images, files for other programs."""
