// The Storage target.
