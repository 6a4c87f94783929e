"""What makes a stage a stage: its command line, its report."""
