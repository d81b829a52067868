"""What the servers of an installation run: imported only by the command that runs one."""
