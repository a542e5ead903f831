"""Where points come from: published records, predictions, and how far predictions are off."""
