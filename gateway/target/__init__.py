"""The device's side: dialling, host keys and device tasks."""
