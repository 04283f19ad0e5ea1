"""One screen a file; `base.SpivaeScreen` is what they share."""
