"""Landing files in, raw, validated and quarantined objects out; a shop's own files to landing files."""
