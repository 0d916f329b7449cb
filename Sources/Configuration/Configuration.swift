// YAML to values.
