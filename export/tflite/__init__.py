"""TFLite files for phones and browsers."""
