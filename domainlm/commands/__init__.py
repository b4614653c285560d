"""Commands that look at what was made, a file for each noun of the command line."""
