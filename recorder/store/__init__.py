"""Where traces rest, and the catalogue that finds them."""
