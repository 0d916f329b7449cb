// The CEL target.
