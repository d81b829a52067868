"""What happened: traces and the journal; knows neither policy nor any SSH library."""
