"""The hospital's side over HTTP; holds no rule of its own."""
