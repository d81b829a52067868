"""The search: what was on screen, commands, files and findings, in an index of the console's own."""
