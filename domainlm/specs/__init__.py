"""A person's YAML as typed, frozen records; every mistake comes back with its place and a fix."""
