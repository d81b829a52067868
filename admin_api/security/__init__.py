"""Who calls the API, and what their role allows."""
