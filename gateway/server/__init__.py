"""The client's side: log-in, menu and banners."""
