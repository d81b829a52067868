"""What a database inside the process needs of us; knows nothing of what is kept in it, nor of the product."""
